import { GatewayError } from '../core/errors.ts';
import type { Emit, UpstreamEvent } from '../core/events.ts';
import type { NativeItem, Origin, Protocol } from '../core/items.ts';
import { parseJsonObject } from '../core/json-object.ts';
import { compactedNothing } from '../core/upstream-error.ts';
import type { TurnRequest } from '../core/request.ts';
import type { ModelProfile } from '../protocols/codec.ts';
import type { Deployment } from '../providers/provider.ts';

/** The upstream compacts a context itself, inside the answer, when it passes the client's threshold. */
export function compactsItself(deployment: Deployment): boolean {
  const profile = deployment.provider.profileNow?.(deployment) ?? deployment.profile;
  return profile.nativeCompaction === 'sealed';
}

/** How the upstream itself makes the compaction that the answer is to be; undefined: it does not, or it is to be none. */
export function nativeCompactionOf({ compaction }: TurnRequest, profile: ModelProfile): Native | undefined {
  if (compaction === undefined) return undefined;
  // A summary is one that every model can read.
  return compaction === 'summary' && profile.nativeCompaction === 'sealed' ? undefined : profile.nativeCompaction;
}

type Native = NonNullable<ModelProfile['nativeCompaction']>;

export interface NativeCompactionOptions {
  protocol: Protocol;
  signatureScope: (upstreamModel: string | undefined) => string;
  /** Undefined: the item is too long for an envelope. @param summary what it says, where that can be read. */
  seal: (native: Origin, summary: string | undefined) => string | undefined;
  /** Undefined: it comes or does not, at a threshold. Else the reply is not what was asked for without it. */
  demanded: Native | undefined;
}

/** Puts an envelope of ours around what an upstream has compacted, so that no other tenant can have it read there. */
export function sealNativeCompaction(
  emit: Emit,
  { protocol, signatureScope, seal, demanded }: NativeCompactionOptions,
): Emit {
  const open = new Set<number>();
  let upstreamModel: string | undefined;
  let isMade = false;
  /** What a client has seen cannot be taken back: until the compaction that was asked for is there, nothing is shown of the reply. */
  let held: UpstreamEvent[] = [];
  const release = (): void => {
    for (const each of held) emit(each);
    held = [];
  };
  const show = (event: UpstreamEvent): void => {
    if (
      demanded === undefined ||
      isMade ||
      !('index' in event || event.type === 'response-event' || event.type === 'event-fields')
    )
      emit(event);
    else held.push(event);
  };

  return (event) => {
    if (event.type === 'response-start') upstreamModel = event.upstreamModel;
    if (event.type === 'item-start' && event.start.kind === 'native' && event.start.item.type === 'compaction') {
      open.add(event.index);
      show({ ...event, start: { ...event.start, item: { ...event.start.item, encrypted_content: '' } } });
      return;
    }
    if (event.type === 'item-end' && event.complete && event.native !== undefined && open.has(event.index)) {
      const source = sourceOf(event.native, event.source);
      const summary = demanded === 'readable' ? readSummary(source) : undefined;
      if (demanded === 'readable' && summary === undefined) return;
      const envelope = seal({ protocol, model: signatureScope(upstreamModel), source }, summary);
      if (envelope === undefined) {
        emit({ type: 'error', error: new GatewayError('upstream_error', 'The compaction is too long to be sealed.') });
        return;
      }
      isMade = true;
      release();
      emit({ ...event, source, native: { ...event.native, encrypted_content: envelope } });
      return;
    }
    if (event.type === 'response-end' && event.finish === 'completed' && demanded !== undefined && !isMade) {
      if (event.usage !== undefined) emit({ type: 'usage', usage: event.usage });
      emit({ type: 'error', error: new GatewayError('upstream_error', compactedNothing) });
      return;
    }
    if (event.type === 'response-end') release();
    show(event);
  };
}

/** The text of Anthropic's block, which is null where none came of it. */
function readSummary(source: string): string | undefined {
  const { content } = parseJsonObject(source) ?? {};
  return typeof content === 'string' && content.trim() !== '' ? content : undefined;
}

/** The whole item as the upstream wrote it. */
function sourceOf(native: NativeItem, source: string): string {
  const said = parseJsonObject(source) ?? {};
  return 'type' in said ? source : JSON.stringify({ ...native, ...said });
}
