/**
 * What the gateway words itself is of the types that OpenAI's SDK declares: checked when this file is compiled, and never run.
 * What it only carries (a client's own tools, items and events that an upstream speaks of in the same API) is not, but for its
 * kinds; `sdk-types.test.ts` holds whole answers against the same types as JSON Schema.
 */
import type { Conversation, ConversationDeletedResource } from 'openai/resources/conversations/conversations';
import type { ConversationItem, ConversationItemList } from 'openai/resources/conversations/items';
import type { InputTokenCountResponse } from 'openai/resources/responses/input-tokens';
import type {
  CompactedResponse,
  Response,
  ResponseError,
  ResponseIncludable,
  ResponseInputItem,
  ResponseItem,
  ResponseOutputItem,
  ResponseOutputText,
  ResponsesClientEvent,
  ResponsesServerEvent,
  ResponseStatus,
  ResponseStreamEvent,
  Tool,
} from 'openai/resources/responses/responses';
import type { ErrorObject } from 'openai/resources/shared';
import type { errorFields } from '../../src/core/error-body.ts';
import type { endCode, endImage, endSearch, zeroCode, zeroImage, zeroSearch } from '../../src/core/hosted-calls.ts';
import type { ItemEvents } from '../../src/core/item-events.ts';
import type {
  CustomToolCallItem,
  CustomToolCallOutputItem,
  FileCitation,
  FunctionCallItem,
  FunctionCallOutputItem,
  InputFile,
  InputImage,
  InputText,
  MessageItem,
  MessagesWords,
  NativeItemType,
  ReasoningItem,
  Refusal,
  UrlCitation,
} from '../../src/core/items.ts';
import type { ClientCallFields } from '../../src/core/native-calls.ts';
import type { NativeToolType } from '../../src/core/request.ts';
import type { ResponseErrorCode, ResponseStatus as OurStatus } from '../../src/core/response.ts';
import type { clientEvents, errorFrame, steerFailed } from '../../src/http/responses-socket.ts';
import type { computerCall } from '../../src/protocols/messages/computer.ts';
import type { CompactionObject } from '../../src/protocols/responses/compact.ts';
import type { ConversationObject, deletedConversation } from '../../src/protocols/responses/conversation.ts';
import type { EventFields } from '../../src/protocols/responses/event-fields.ts';
import type { ItemList } from '../../src/protocols/responses/input-items-page.ts';
import type { inputTokensObject } from '../../src/protocols/responses/input-tokens.ts';
import type { ResponseObject } from '../../src/protocols/responses/response.ts';
import type { includables, inputItemTypes, laterItemTypes } from '../../src/protocols/responses/wire.ts';

// oxlint-disable-next-line no-unnecessary-type-parameters -- the constraint is the check
declare function fits<_Emitted extends Declared, Declared>(): void;

/** What clients read: without the words of the Messages API, which no client of this one can have sent. */
type Plain<T> = Omit<T, keyof MessagesWords | 'prompt_cache_breakpoint'>;

/** What is the gateway's own to say of a response; `output_text` is the SDK's. At OpenAI too
 * usage, user and the description of a schema may be null. */
type Carried = 'output' | 'tools' | 'tool_choice';
type Nullable = 'usage' | 'user' | 'text';
fits<Omit<ResponseObject, Carried | Nullable>, Omit<Response, Carried | Nullable | 'output_text'>>();
type Text = Exclude<ResponseObject['text']['format'], { type: 'json_schema' }>;
type SchemaText = Extract<ResponseObject['text']['format'], { type: 'json_schema' }> & { description: string };
fits<{ format: Text | SchemaText; verbosity: ResponseObject['text']['verbosity'] }, NonNullable<Response['text']>>();
fits<NonNullable<ResponseObject['usage']>, NonNullable<Response['usage']>>();
fits<NonNullable<ResponseObject['user']>, NonNullable<Response['user']>>();
fits<Extract<ResponseObject['tool_choice'], string>, Response['tool_choice']>();
fits<OurStatus, ResponseStatus>();
fits<ResponseStatus, OurStatus>();
fits<ResponseErrorCode, ResponseError['code']>();

fits<Omit<CompactionObject, 'output'>, Omit<CompactedResponse, 'output'>>();
fits<ReturnType<typeof inputTokensObject>, InputTokenCountResponse>();
fits<ConversationObject, Conversation>();
fits<ReturnType<typeof deletedConversation>, ConversationDeletedResource>();
/** Of an empty list the two ids are null. */
type Listed = 'data' | 'first_id' | 'last_id';
fits<Omit<ItemList, Listed>, Omit<ConversationItemList, Listed>>();
fits<NonNullable<ItemList['first_id' | 'last_id']>, ConversationItemList['first_id' | 'last_id']>();
fits<ReturnType<typeof errorFields>, ErrorObject>();

// Items, by what each says itself: annotations and logprobs are what the upstream gave.
type OutputMessage = Omit<MessageItem, 'content' | 'phase'> & {
  role: 'assistant';
  status: 'completed';
  content: ({ type: 'output_text'; text: string; annotations: (UrlCitation | FileCitation)[] } | Plain<Refusal>)[];
};
/** As a client gave it, who may have sent null in place of nothing. */
type Given<T> = { [Field in keyof T]: NonNullable<T[Field]> };
type InputMessage = Omit<MessageItem, 'content' | 'phase'> & {
  role: 'user';
  content: (Plain<InputText> | (Given<Plain<InputImage>> & { detail: 'auto' }) | Given<Plain<InputFile>>)[];
};
type WithStatus<T> = Omit<T, 'status'> & { status: 'completed' };
type Call<T> = WithStatus<Plain<Omit<T, 'caller' | 'namespace' | 'async'>>>;
type Output<T> = WithStatus<Plain<Omit<T, 'output'>>> & { output: string };

fits<Plain<OutputMessage>, ResponseOutputItem>();
fits<Plain<OutputMessage>, ConversationItem>();
fits<Plain<InputMessage>, ResponseItem>();
fits<UrlCitation | FileCitation, ResponseOutputText['annotations'][number]>();
fits<WithStatus<Plain<ReasoningItem>>, ResponseOutputItem & ConversationItem>();
fits<Call<FunctionCallItem>, ResponseOutputItem & ConversationItem & ResponseItem>();
fits<Call<CustomToolCallItem>, ResponseOutputItem & ConversationItem & ResponseItem>();
fits<Output<FunctionCallOutputItem>, ResponseItem & ConversationItem>();
fits<Output<CustomToolCallOutputItem>, ResponseItem & ConversationItem>();

// Calls of tools that an upstream ran. OpenAI itself begins a search before anything is known of what is searched for.
type Ended = ReturnType<typeof endSearch | typeof endCode | typeof endImage>;
fits<Ended, ResponseOutputItem>();
fits<ReturnType<typeof zeroCode | typeof zeroImage>, ResponseOutputItem>();
fits<ReturnType<typeof zeroSearch> & { action: { type: 'search'; query: string } }, ResponseOutputItem>();

// Calls of the API's own tools that the client runs, by whatever model.
type CallFields = ClientCallFields & { computer: NonNullable<ReturnType<(typeof computerCall)['read']>> };
type NativeCall<Type extends keyof CallFields> = CallFields[Type] & {
  type: `${Type}_call`;
  id: string;
  call_id: string;
  status: 'completed';
};
fits<NativeCall<'local_shell'>, ResponseOutputItem>();
fits<NativeCall<'shell'>, ResponseOutputItem>();
fits<NativeCall<'computer'>, ResponseOutputItem>();
fits<NativeCall<'apply_patch'>, ResponseOutputItem>();
fits<NativeCall<'tool_search'>, ResponseOutputItem>();

// The closed lists: what the SDK learns of is to be decided here, and not found out by a client.
type Kinds<T> = T extends { type?: infer Type } ? NonNullable<Type> : never;
type InputKind = (typeof inputItemTypes)[number] | (typeof laterItemTypes)[number];
fits<InputKind, Kinds<ResponseInputItem>>();
fits<Kinds<ResponseInputItem>, InputKind>();
fits<Kinds<ResponseOutputItem | ConversationItem | ResponseItem>, InputKind>();
fits<NativeItemType, Kinds<ResponseItem>>();
/** `computer_use` is a word of choices only. */
type ToolKind = Exclude<NativeToolType, 'computer_use'> | 'function' | 'custom' | 'namespace';
fits<ToolKind, Kinds<Tool>>();
fits<Kinds<Tool>, ToolKind>();
fits<(typeof includables)[number], ResponseIncludable>();
fits<ResponseIncludable, (typeof includables)[number]>();

// Events: each by its fields, with what the SDK declares in the places of what is only carried.
type Declared<Type> = Extract<ResponseStreamEvent, { type: Type }>;
type Sent<Type extends keyof EventFields> = {
  [Field in keyof EventFields[Type]]: Field extends 'response' | 'item' | 'part' | 'logprobs' | 'annotation'
    ? Declared<Type>[Field & keyof Declared<Type>]
    : EventFields[Type][Field];
} & { type: Type; sequence_number: number };
fits<
  { [Type in keyof EventFields]: Sent<Type> },
  {
    [Type in keyof EventFields]: Declared<Type>;
  }
>();

/** OpenAI sends a patch's text in events that it has not declared. */
type ToldEvents = Omit<ItemEvents, `apply_patch_call_operation_diff.${string}`>;
fits<
  {
    [Name in keyof ToldEvents as `response.${Name}`]: ToldEvents[Name] & {
      type: `response.${Name}`;
      sequence_number: number;
      item_id: string;
      output_index: number;
    };
  },
  { [Name in keyof ToldEvents as `response.${Name}`]: Declared<`response.${Name}`> }
>();

// Frames that only a WebSocket has.
fits<ReturnType<typeof errorFrame>, ResponsesServerEvent>();
type SteerFailed = ReturnType<typeof steerFailed>;
fits<SteerFailed & { steer: { input: string } }, ResponsesServerEvent>();
fits<Kinds<ResponsesClientEvent>, (typeof clientEvents)[number]>();
fits<(typeof clientEvents)[number], Kinds<ResponsesClientEvent>>();
