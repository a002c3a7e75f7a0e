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
  return {
    warnings,
    inputTransformations,
    warn(param, message) {
      if (!warnings.some((known) => known.param === param && known.message === message))
        warnings.push({ param, message });
    },
    removed(id, reason) {
      inputTransformations.push({ id, type: 'reasoning', action: 'removed', reason });
    },
  };
}
