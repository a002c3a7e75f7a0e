import type { FrameReader, JsonPath } from '../core/frame-reader.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { ClientProtocol, ContextItem, Protocol } from '../core/items.ts';
import type { JsonObject } from '../core/json-object.ts';
import type { CalledTool } from '../core/offer-tools.ts';
import type { FinishedItem, OpenItem, ResponseState } from '../core/response.ts';
import type { Effort, Tool, TurnRequest } from '../core/request.ts';
import type { Usage } from '../core/usage.ts';
import type { InputTransformation, Warning } from '../core/warning.ts';

/** What a codec must know of the model that it writes to; the provider's tables and the configuration fill it in. */
export interface ModelProfile {
  /** The most output tokens that the model can be asked for; undefined: unknown. */
  maxOutputTokens: number | undefined;
  /**
   * How reasoning is asked for. Messages: `adaptive` (thinking adaptive + output_config.effort), `budget` (thinking
   * enabled + budget_tokens), `none`. Chat and Responses: `effort`, `none`. Gemini: `effort` (thinkingLevel), `budget`
   * (thinkingBudget), `none`.
   */
  reasoning: 'adaptive' | 'budget' | 'effort' | 'none';
  /**
   * Chat only: how the vendor takes its reasoning back. `thinking` is Mistral's: as parts of the content. OpenRouter's
   * `reasoning_details` hold what the text does not say: signatures, and reasoning that is encrypted.
   */
  reasoningField: 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'thinking' | 'none';
  /** Messages only: the model takes `role: system` messages inside the conversation. */
  midConversationSystem: boolean;
  /** Chat only: the limit's field name. Older compatible servers know `max_tokens` only. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Native JSON-schema output; where false, the schema goes into the instructions with a warning. */
  jsonSchemaOutput: boolean;
  /** Chat only: the upstream knows OpenAI's custom tools. Elsewhere they are sent as functions. */
  customTools: boolean;
  /** False: the model refuses temperature and top_p, which are then left out with a warning. Absent: it takes them. */
  samplingParameters?: boolean;
  /** Messages only: the shortest prefix that the model caches, in tokens. Absent: no breakpoint of ours is set. */
  minCachedTokens?: number | undefined;
  /** Messages only: the tools that the upstream runs itself. Absent: all that Anthropic does. */
  hostedTools?: readonly ('web_search' | 'web_fetch' | 'code_execution' | 'mcp')[];
  /** Chat only: where the vendor's words are not OpenAI's. */
  quirks?: ChatQuirks;
  /** Responses only. False: the model refuses to be asked for encrypted reasoning. Absent: if it reasons, it takes it. */
  encryptedReasoning?: boolean;
  /** Messages only. False: the model knows no effort between high and max. Absent: it does. */
  xhighEffort?: boolean;
  /** Responses only: efforts that the model has refused to be asked for. Absent: none. */
  refusedEfforts?: readonly Effort[];
  /**
   * The upstream compacts a context itself: into an item that only it can read (`sealed`), at the client's threshold too, or
   * into a text that it signs (`readable`). Absent: a summary is written in its place.
   */
  nativeCompaction?: 'sealed' | 'readable' | undefined;
  /** Messages only: the upstream fetches no URLs, and knows no conversation that the assistant begins. */
  byValueOnly?: boolean;
  /** Messages only: the version of Anthropic's computer tool that the model was taught. Absent: none. */
  computerTool?: string | undefined;
  /** Gemini only. Absent: the newest generation, with the levels that all of its models have. */
  gemini?: GeminiProfile;
}

export const thinkingLevels = ['minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export type ThinkingLevel = (typeof thinkingLevels)[number];

export interface GeminiProfile {
  /**
   * The third generation, or a later one: it refuses calls without a signature, and takes images in results, tools that
   * Google runs beside functions, and a schema of the answer beside functions. An earlier one takes none of these.
   */
  thirdGeneration: boolean;
  /** What can be asked for where `reasoning` is `effort`, least first. */
  levels: readonly ThinkingLevel[];
  /** The same where it is `budget`, in tokens; `least` 0: thinking can be turned off. */
  budget: { least: number; most: number };
  /** False: the model cannot be given pages to read (`urlContext`). */
  opensPages?: boolean;
  /** False: the model refuses penalties. */
  penalties: boolean;
  /** False: the model refuses system instructions. */
  systemInstruction: boolean;
}

/** What a vendor's Chat Completions say otherwise than OpenAI's; what is absent is said as OpenAI says it. */
export interface ChatQuirks {
  /** Fields of the request that it refuses, or takes without heeding them: they are left out with a warning. */
  refuses?: readonly string[];
  /** Its own names of fields. */
  renames?: Readonly<Record<string, string>>;
  /** Where an effort is asked for: `reasoning` is OpenRouter's, an object. */
  effortField?: 'reasoning_effort' | 'reasoning';
  /** What is asked for in place of an effort that it does not know; null: none can be. */
  efforts?: Partial<Record<Effort, Effort | null>>;
  /** Effort `none` is `thinking: { type: 'disabled' }`. */
  thinkingSwitch?: boolean;
  /**
   * When its reasoning goes back to it. `loop`: while the tool loop is open. `calls`: with every message that called tools,
   * for good, and in `reasoning_content` an empty one where there is none.
   */
  replays?: 'loop' | 'calls';
  /** Ids of tool calls are nine letters and digits. */
  shortCallIds?: boolean;
  /** False: it calls no tools. */
  tools?: false;
  /** False: it knows no `json_object`, only schemas. */
  jsonObjectOutput?: false;
  /** It wants a user and the assistant in turns: messages of a user in a row are sent as one. */
  alternates?: boolean;
}

export interface EncodeInput {
  request: TurnRequest;
  /**
   * The whole effective context: the ancestors' items, then this turn's input. Pairing is already checked: each call id is
   * used by one call, and each call that was not cut has one output, somewhere after it; there are no other outputs.
   */
  context: ContextItem[];
  /**
   * Tools of the ancestor that made the calls in the context, when the request brings none of its own: an upstream that
   * demands definitions for a history of calls gets these, with tool choice none.
   */
  inheritedTools: Tool[];
  /** The upstream's name of the model. */
  model: string;
  profile: ModelProfile;
}

export interface EncodedRequest {
  /** JSON, well-formed Unicode: a lone surrogate was replaced by U+FFFD, with a warning. */
  body: string;
  warnings: Warning[];
  inputTransformations: InputTransformation[];
  decode: DecodeOptions;
}

/** What a decoder must know of the request that it decodes the answer to. */
export interface DecodeOptions {
  /** The client's tools by the names that the upstream knows them by. A call of any other is a function's, so named. */
  tools: ReadonlyMap<string, CalledTool>;
  /** What the client wants to see of items beyond what they always show; `include` of the request. Absent: nothing. */
  include?: readonly string[];
  /** Messages only: the reply is to be a compaction and nothing else: an item of ours, or the block that the client asked for. */
  compacts?: 'item' | 'block';
  /** Messages only: calls in the context that the upstream runs, and that nothing has come of so far, by their ids. */
  openCalls?: ReadonlyMap<string, JsonObject>;
  /** The reply goes on from one that was paused: those calls are items of the same response. */
  goesOn?: boolean;
  /** Embeddings only: how many the client is to get. */
  vectors?: number;
  /** Reads the frames, for the decoder and for the forwarder of the same stream. Absent: a reader of the decoder's own does. */
  frames?: FrameReader;
  /** The client wants one call at a time of a model that cannot be told so: calls after the first are left out. */
  singleCall?: boolean;
}

/** Turns the frames of one streamed reply into events. Never throws: what it cannot read is an `error` event, once. */
export interface StreamDecoder {
  /** @param event the SSE `event:` field ('' where absent), @param data the SSE data, lines joined by \n. */
  frame(event: string, data: string, emit: Emit): void;
  /** The upstream closed. Emits `error` (upstream_stream_broken) unless the reply was complete. */
  end(emit: Emit): void;
}

/** The half-codec towards upstreams: pure, no I/O, no clock, no configuration. */
export interface UpstreamCodec {
  readonly protocol: Protocol;
  /** @throws GatewayError (400, with param) for what the target cannot carry and what would change the meaning if dropped. */
  encodeRequest(input: EncodeInput): EncodedRequest;
  createStreamDecoder(options: DecodeOptions): StreamDecoder;
  /** A plain reply's body, as the events that its stream would have made. Never throws. */
  decodeResponse(body: string, options: DecodeOptions, emit: Emit): void;
  /** An error reply. `headers` are lower-case. Decides `retryable`. */
  decodeError(status: number, headers: Record<string, string | undefined>, body: string): GatewayError;
  /**
   * Scope within which the upstream takes its own reasoning back: a model's name without date or cloud prefix. Anthropic's
   * signatures hold for the model that was reported; where a name is an alias or that of a deployment, what counts is the
   * name that was asked for, since the next request has no other.
   */
  signatureScope(reportedModel: string, askedModel: string): string;
}

/**
 * A response as a client gets it. `head` and `envelope` are JSON objects that together hold all fields of the Response
 * object but `output`; they are what the store keeps, so that a later GET gives back what the create gave.
 */
export interface Reply {
  state: ResponseState;
  head: string;
  envelope: string;
  output: FinishedItem[];
}

/**
 * Writes one response as a stream in the client's protocol. Every method returns the bytes' text, framing included, to be
 * concatenated and written in one piece; none keeps a promise or a timer.
 */
export interface StreamEncoder {
  /** The first events of a response that is to wait. */
  queued(reply: Reply): string;
  /** What comes first; of a response that has waited, what tells that it begins. */
  begin(reply: Reply): string;
  itemStart(item: OpenItem): string;
  partStart(item: OpenItem, part: number): string;
  /** @param part ignored for calls. @param words as of an `item-delta`. */
  delta(item: OpenItem, part: number, delta: string, logprobs: unknown[] | undefined, words?: string): string;
  /** Of an `event-fields`. Absent: the protocol has other events. */
  eventFields?(name: string, fields: JsonObject): void;
  /** @param source the upstream's own word for it, where the annotation says less. */
  annotation(item: OpenItem, part: number, annotation: unknown, source?: unknown): string;
  partEnd(item: OpenItem, part: number): string;
  /** @param name without `response.` before it. */
  itemEvent(item: OpenItem, name: string, fields: JsonObject): string;
  responseEvent(name: string, fields: JsonObject): string;
  itemEnd(item: OpenItem, finished: FinishedItem): string;
  /** What the upstream has said of its tokens, before the end. Absent: the protocol tells of them at the end only. */
  usage?(usage: Usage): string;
  /**
   * The terminal event for `reply.state.status`, preceded by an `error` event where it is failed; then the end marker.
   * @param error what it failed with, where that is known.
   */
  end(reply: Reply, error?: GatewayError): string;
  /** The whole of a stream that has no response, the end marker where one belongs behind an error. */
  error(error: GatewayError): string;
}

/** What a request was beside its JSON. */
export interface SentRequest {
  /** Its text; undefined: nobody kept it. */
  text: string | undefined;
  /** Values of one header, comma-joined. @param lowerCaseName */
  header(lowerCaseName: string): string | undefined;
}

/** The half-codec towards clients: pure. */
export interface ClientCodec {
  readonly protocol: ClientProtocol;
  /** @throws GatewayError (400, with param). */
  decodeRequest(body: unknown, sent?: SentRequest): TurnRequest;
  /** @param written how many events of the stream have been written before, by another encoder's `queued`. */
  createStreamEncoder(written?: number): StreamEncoder;
  /** A plain answer's body. */
  encodeReply(reply: Reply): string;
  /** An error answer's body, in the protocol's own shape. @param requestId ours, where it is known. */
  encodeError(error: GatewayError, requestId?: string): string;
  /**
   * What the client calls a parameter that encoders and the turn name as the Responses API does (`max_output_tokens`,
   * `input[2].content[0]`). Absent: the same.
   */
  paramName?(param: string, request: TurnRequest): string;
  /** What a stream that has nothing to say keeps its line alive with. Absent: a comment. */
  readonly keepAlive?: string;
  /** What of a whole answer the protocol has no word for. Absent: it has one for all. */
  unsaid?(reply: Reply): Warning[];
  /** For upstreams of the same protocol. Absent: they are reached through the neutral model too. */
  readonly verbatim?: VerbatimLane;
}

/**
 * The same protocol in and out: the client's words go up and the upstream's come down as they are, but for a closed list of
 * edits. What is decoded beside that is for the record.
 */
export interface VerbatimLane {
  /** Where the words of a stream's frames are: what its deltas differ in. */
  readonly wordPaths: readonly JsonPath[];
  /**
   * @param body JSON text that `decodeRequest` has taken, and made `request` of; every value that is not edited is sent as it
   * is spelled there.
   * @param model the upstream's name of the model.
   * @returns undefined where the upstream would refuse it, or not heed all of it: it then goes through the neutral model.
   */
  patchRequest(body: string, model: string, request: TurnRequest, profile: ModelProfile): string | undefined;
  /** Of one attempt's stream. `reply` tells the id and the model that the client is to see. @param options its decoder's. */
  createForwarder(reply: Reply, options: DecodeOptions): FrameForwarder;
  /** A plain reply's body as the client gets it. */
  patchReply(body: string, reply: Reply): string;
}

/**
 * Hands the upstream's frames on. What comes before the first piece of output is kept back, so that another attempt can
 * still be made; what tells that the reply is complete is kept back until the reply is stored.
 */
export interface FrameForwarder {
  /** @param text of the whole frame, as the parser gives it. @returns what the client may have now, framing included; often ''. */
  frame(event: string, data: string, text?: string): string;
  /** What was kept back, once: the stream's end. */
  rest(): string;
}
