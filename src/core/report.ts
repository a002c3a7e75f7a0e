import type { InputTransformation, RemovalReason, Warning } from './warning.ts';

/** Collects what a request loses on its way to the wire. The same loss, met twice, is said once. */
export interface Report {
  readonly warnings: Warning[];
  readonly inputTransformations: InputTransformation[];
  warn(param: string, message: string): void;
  /** @param id the reasoning item that is not sent. */
  removed(id: string, reason: RemovalReason): void;
}

export function createReport(): Report {
  const warnings: Warning[] = [];
  const inputTransformations: InputTransformation[] = [];
  /** Each field that a client makes up is a warning: there can be too many to look through. */
  const known = new Set<string>();
  return {
    warnings,
    inputTransformations,
    warn(param, message) {
      const key = JSON.stringify([param, message]);
      if (known.has(key)) return;
      known.add(key);
      warnings.push({ param, message });
    },
    removed(id, reason) {
      inputTransformations.push({ id, type: 'reasoning', action: 'removed', reason });
    },
  };
}
