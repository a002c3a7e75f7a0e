import type { Dialect } from '../support/upstream-replies.ts';
import type { Ending, Harness, Impatience, Outcome, Script } from './harness.ts';

/** One thing that an upstream does wrong, and what must come of it. */
export interface FaultCase {
  /** Number in the catalogue, and what happens. */
  name: string;
  /** Undefined: all. */
  dialect?: Dialect;
  /** Dialects in which it ends otherwise. */
  except?: readonly Dialect[];
  script: (dialect: Dialect, harness: Harness) => Script;
  /** How a streamed turn ends; undefined: streaming makes no sense here. */
  stream?: Ending;
  /** How a plain turn ends; undefined: a plain turn makes no sense here. */
  plain?: Ending;
  /** Calls on the upstream; undefined: as many as there were, as long as each has its row. */
  attempts?: number;
  impatience?: Impatience;
  check?: (outcome: Outcome, dialect: Dialect) => void;
}
