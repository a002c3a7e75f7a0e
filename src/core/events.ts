import type { GatewayError } from './errors.ts';
import type { NativeItem } from './items.ts';
import type { JsonObject } from './json-object.ts';
import type { Usage } from './usage.ts';
import type { Warning } from './warning.ts';

export type PartKind = 'output_text' | 'refusal' | 'summary_text' | 'reasoning_text';

/** Why the model stopped. `paused`: the upstream wants the turn to be sent back to it, to go on. */
export type Finish = 'completed' | 'max_tokens' | 'content_filter' | 'paused';

/** `fields`: what the item says, in the Responses API's spelling, beside what its kind says; shown as it is. */
export type ItemStart =
  | { kind: 'message'; fields?: JsonObject }
  | { kind: 'reasoning'; fields?: JsonObject }
  /** `block`: the upstream's own, as it begins. */
  | { kind: 'function_call'; callId: string; name: string; fields?: JsonObject; block?: JsonObject }
  | { kind: 'custom_tool_call'; callId: string; name: string; fields?: JsonObject }
  /** `blockType` is the upstream's own word; the block itself comes as the `source` of the item's end. */
  | { kind: 'extension'; blockType: string }
  /** `item` as a reader first sees it (status in_progress); its id is minted by the assembler. */
  | { kind: 'native'; item: NativeItem };

/**
 * What a model says, in no vendor's words. A decoder turns one upstream reply, streamed or plain, into:
 *
 *     response-start (item-start (part-start item-delta* annotation* part-end)* | item-delta* item-end)* response-end
 *
 * with `usage` and `warning` anywhere in between, and `error` in place of the rest; before an `error` in place of all there
 * may be a `usage`, since what is no answer may have been paid for. Items are numbered from 0 without gaps, in the order in
 * which they start; parts likewise within their item. Calls can be open at the same time, each with its own number. Message and
 * reasoning items have parts; a call has none, and its deltas are its arguments (input). A native item has `item-event`s in place of
 * deltas; other items may have some between their own.
 */
export type UpstreamEvent =
  | { type: 'response-start'; upstreamId: string | undefined; upstreamModel: string | undefined }
  | { type: 'item-start'; index: number; start: ItemStart }
  | { type: 'part-start'; index: number; part: number; kind: PartKind }
  /** `words`: members of the event in the Responses API's own spelling, in place of delta and logprobs for who reads that. */
  | { type: 'item-delta'; index: number; part: number; delta: string; logprobs?: unknown[]; words?: string }
  /** What the next event of this name says in that API, beside or in place of what we would say. */
  | { type: 'event-fields'; name: string; fields: JsonObject }
  /** `source`: the upstream's own word for it, where the annotation says less. */
  | { type: 'annotation'; index: number; part: number; annotation: unknown; source?: unknown }
  | { type: 'part-end'; index: number; part: number }
  /** Progress of an item in words that are the Responses API's own: `response.<name>` with these fields beside the item's place. */
  | { type: 'item-event'; index: number; name: string; fields: JsonObject }
  /** The same, of the response as a whole, or under a name that does not begin so. */
  | { type: 'response-event'; name: string; fields: JsonObject }
  /**
   * `complete` false: the upstream stopped inside the item (a tool call cut by max_tokens). `source` as in `Origin`.
   * `fields`: fields of the item as it ended, in place of those that its deltas make. `native`: the item as it ended.
   */
  | {
      type: 'item-end';
      index: number;
      complete: boolean;
      source: string;
      fields?: JsonObject;
      native?: NativeItem;
    }
  /**
   * The reply was paused, and what is to come of the item comes in the one that goes on from it: there it is resumed by its
   * `key`, and its further sources come after this one. `native`: the item if nothing comes.
   */
  | { type: 'item-pause'; index: number; key: string; source: string; native: NativeItem }
  | { type: 'item-resume'; index: number; key: string }
  /** The input side as soon as it is known, so that a stream that is cut later can still be billed. Replaces what came before. */
  | { type: 'usage'; usage: Usage }
  | { type: 'warning'; warning: Warning }
  /**
   * `fields`: of the Response object, where the upstream speaks the Responses API: what it says there of its own.
   * `stopSequence`: the stop text that ended it. `searches`: how many searches of the web it bills.
   */
  | {
      type: 'response-end';
      finish: Finish;
      usage: Usage | undefined;
      serviceTier?: string;
      fields?: JsonObject;
      stopSequence?: string;
      searches?: number;
    }
  | { type: 'error'; error: GatewayError };

export type Emit = (event: UpstreamEvent) => void;
