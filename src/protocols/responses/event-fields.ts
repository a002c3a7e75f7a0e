import type { Item, OutputText, ReasoningItem, Refusal } from '../../core/items.ts';
import type { ResponseObject } from './response.ts';

interface OfResponse {
  response: ResponseObject;
}

interface OfItem {
  output_index: number;
  item: Item;
}

export interface ItemPlace {
  item_id: string;
  output_index: number;
}

export interface ContentPlace extends ItemPlace {
  content_index: number;
}

export interface SummaryPlace extends ItemPlace {
  summary_index: number;
}

export type ContentPart = OutputText | Refusal | { type: 'reasoning_text'; text: string };
export type SummaryPart = ReasoningItem['summary'][number];

/** The fields of each event beside its type and its number. */
export interface EventFields {
  'response.created': OfResponse;
  'response.queued': OfResponse;
  'response.in_progress': OfResponse;
  'response.completed': OfResponse;
  'response.incomplete': OfResponse;
  'response.failed': OfResponse;
  error: ErrorFields & { error: ErrorFields & { type: string } };
  'response.output_item.added': OfItem;
  'response.output_item.done': OfItem;
  'response.content_part.added': ContentPlace & { part: ContentPart };
  'response.content_part.done': ContentPlace & { part: ContentPart };
  'response.reasoning_summary_part.added': SummaryPlace & { part: SummaryPart };
  'response.reasoning_summary_part.done': SummaryPlace & { part: SummaryPart };
  'response.output_text.delta': ContentPlace & { delta: string; logprobs: unknown[] };
  'response.output_text.done': ContentPlace & { text: string; logprobs: unknown[] };
  'response.output_text.annotation.added': ContentPlace & { annotation_index: number; annotation: unknown };
  'response.refusal.delta': ContentPlace & { delta: string };
  'response.refusal.done': ContentPlace & { refusal: string };
  'response.reasoning_text.delta': ContentPlace & { delta: string };
  'response.reasoning_text.done': ContentPlace & { text: string };
  'response.reasoning_summary_text.delta': SummaryPlace & { delta: string };
  'response.reasoning_summary_text.done': SummaryPlace & { text: string };
  'response.function_call_arguments.delta': ItemPlace & { delta: string };
  /** OpenAI's description demands the name, and what OpenAI sends has none. */
  'response.function_call_arguments.done': ItemPlace & { name: string; arguments: string };
  'response.custom_tool_call_input.delta': ItemPlace & { delta: string };
  'response.custom_tool_call_input.done': ItemPlace & { input: string };
}

interface ErrorFields {
  code: string | null;
  message: string;
  param: string | null;
}
