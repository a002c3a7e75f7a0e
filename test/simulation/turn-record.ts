import type { GatewayError } from '../../src/core/errors.ts';
import type { ClientSink } from './model-client.ts';
import type { UpstreamCallRecord } from './model-upstream.ts';
import type { Home } from './world.ts';

/** One turn as all but the gateway know it. */
export interface TurnRecord {
  /** Goes with the request as the end user: by it the upstream's calls and the database's rows are found again. */
  readonly tag: string;
  readonly tenant: string;
  readonly node: Home;
  readonly parent: TurnRecord | undefined;
  /** The idempotency key, and what stands for the request's bytes under it. */
  readonly key: string | undefined;
  readonly request: string;
  readonly input: unknown[];
  /** The same in Anthropic's words. */
  readonly said: Record<string, unknown>[];
  readonly stored: boolean;
  readonly sink: ClientSink;
  readonly calls: UpstreamCallRecord[];
  /** Calls of the store that went wrong. */
  storeFaults: number;
  /** When the end was first given to the store. */
  commitAtMs: number | undefined;
  deletion: 'none' | 'asked' | 'done';
  /** Its client knew what the parent had said. */
  readonly knewOutput: boolean;
  /** The parent could be continued when the turn was asked for. */
  readonly couldContinue: boolean;
  state: 'running' | 'settled' | 'crashed';
  /** What `runTurn` rejected with. */
  error: unknown;
  /** What a stream was ended with that had its headers, and no response. */
  toldError: GatewayError | undefined;
}
