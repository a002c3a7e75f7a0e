import { GatewayError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { NativeItem, Origin, Protocol } from '../core/items.ts';
import { parseJsonObject } from '../core/json-object.ts';
import { compactedNothing } from '../core/upstream-error.ts';
import type { TurnRequest } from '../core/request.ts';
import type { Deployment } from '../providers/provider.ts';

/** The upstream compacts a context itself when it is asked to. */
export function compactsItself(deployment: Deployment): boolean {
  const profile = deployment.provider.profileNow?.(deployment) ?? deployment.profile;
  return profile.nativeCompaction === true;
}

/** The answer is to be a compaction, whoever makes it. */
export function wantsCompaction({ compaction }: TurnRequest): boolean {
  return compaction === 'item' || compaction === 'window';
}

export interface NativeCompactionOptions {
  protocol: Protocol;
  signatureScope: (upstreamModel: string | undefined) => string;
  /** Undefined: the item is too long for an envelope. */
  seal: (native: Origin) => string | undefined;
  /** Without a compaction the reply is not what was asked for. */
  isDemanded: boolean;
}

/** Puts an envelope of ours around what an upstream has compacted, so that no other tenant can have it read there. */
export function sealNativeCompaction(
  emit: Emit,
  { protocol, signatureScope, seal, isDemanded }: NativeCompactionOptions,
): Emit {
  const open = new Set<number>();
  let upstreamModel: string | undefined;
  let isMade = false;

  return (event) => {
    if (event.type === 'response-start') upstreamModel = event.upstreamModel;
    if (event.type === 'item-start' && event.start.kind === 'native' && event.start.item.type === 'compaction') {
      open.add(event.index);
      emit({ ...event, start: { ...event.start, item: { ...event.start.item, encrypted_content: '' } } });
      return;
    }
    if (event.type === 'item-end' && event.complete && event.native !== undefined && open.has(event.index)) {
      const source = sourceOf(event.native, event.source);
      const envelope = seal({ protocol, model: signatureScope(upstreamModel), source });
      if (envelope === undefined) {
        emit({ type: 'error', error: new GatewayError('upstream_error', 'The compaction is too long to be sealed.') });
        return;
      }
      isMade = true;
      emit({ ...event, source, native: { ...event.native, encrypted_content: envelope } });
      return;
    }
    if (event.type === 'response-end' && event.finish === 'completed' && isDemanded && !isMade) {
      if (event.usage !== undefined) emit({ type: 'usage', usage: event.usage });
      emit({ type: 'error', error: new GatewayError('upstream_error', compactedNothing) });
      return;
    }
    emit(event);
  };
}

/** The whole item as the upstream wrote it. */
function sourceOf(native: NativeItem, source: string): string {
  const said = parseJsonObject(source) ?? {};
  return 'type' in said ? source : JSON.stringify({ ...native, ...said });
}
