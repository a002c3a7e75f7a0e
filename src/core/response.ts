import type { PartKind } from './events.ts';
import type { Item, NativeItem, Origin } from './items.ts';
import type { JsonObject } from './json-object.ts';
import type { TurnRequest } from './request.ts';
import type { Usage } from './usage.ts';
import type { InputTransformation } from './warning.ts';

/** Those codes of a failed response's closed list that a gateway has cause to use. */
export type ResponseErrorCode = 'server_error' | 'rate_limit_exceeded' | 'invalid_prompt';

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** Everything about a response but its output: what the Response object's other fields are made from. */
export interface ResponseState {
  id: string;
  createdAtMs: number;
  status: ResponseStatus;
  /** Set when the response has ended, however it ended. */
  completedAtMs: number | undefined;
  /** Set when `status` is failed. */
  error: { code: ResponseErrorCode; message: string } | undefined;
  /** Set when `status` is incomplete. */
  incompleteReason: 'max_output_tokens' | 'content_filter' | undefined;
  /** Of the request's stop texts the one that ended it, where the upstream says which. */
  stopSequence?: string | undefined;
  request: TurnRequest;
  /** Undefined until the response has ended. */
  usage: Usage | undefined;
  /** The tier that the upstream says it used. */
  serviceTier: string | undefined;
  inputTransformations: InputTransformation[];
  /** Fields of the Response object as the upstream filled them, where it speaks the Responses API. */
  upstreamFields?: JsonObject | undefined;
}

/** A part that the model is writing, or has written. */
export interface OpenPart {
  kind: PartKind;
  text: string;
  annotations: unknown[];
  logprobs: unknown[];
}

/** An output item that the model is writing. */
export interface OpenItem {
  /** Its place in the response's output. */
  index: number;
  id: string;
  kind: 'message' | 'reasoning' | 'function_call' | 'custom_tool_call' | 'extension' | 'native';
  /** Of a native item: as it began. */
  native?: NativeItem;
  /** Of messages and reasoning. */
  parts: OpenPart[];
  /** Of calls: the arguments (input) so far, and what the client knows the call by. */
  text: string;
  callId: string;
  name: string;
  /** What else it says of itself as it begins. */
  fields?: JsonObject | undefined;
  /** Of a function's call: the upstream's own block, as it began. */
  block?: JsonObject | undefined;
}

/** A finished output item: the object and its JSON, which is what every reader gets. */
export interface FinishedItem {
  item: Item;
  body: string;
  /** Where it came from; undefined: that is not at hand, or it was cut. */
  origin?: Origin | undefined;
}
