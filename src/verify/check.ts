import type { Target } from './target.ts';

/** One thing that a Responses server must do. */
export interface Check {
  /** `group/name`, in dashes: what `--only` selects by, and what reports name. */
  name: string;
  /** What goes wrong for a client where it does not hold. */
  reason: string;
  /** Where the rule is written. */
  rule: string;
  /** What the run must have been given; without it the check is skipped. */
  needs?: Need[];
  run: (target: Target) => Promise<void>;
}

/** `key2`: a key of another tenant. `model2`: another model, of another vendor if possible. `restart`: a command. */
export type Need = 'key2' | 'model2' | 'restart';

export const rules = {
  create: 'https://platform.openai.com/docs/api-reference/responses/create',
  object: 'https://platform.openai.com/docs/api-reference/responses/object',
  get: 'https://platform.openai.com/docs/api-reference/responses/get',
  delete: 'https://platform.openai.com/docs/api-reference/responses/delete',
  cancel: 'https://platform.openai.com/docs/api-reference/responses/cancel',
  inputItems: 'https://platform.openai.com/docs/api-reference/responses/input-items',
  inputTokens: 'https://platform.openai.com/docs/api-reference/responses/input-tokens',
  compact: 'https://platform.openai.com/docs/api-reference/responses/compact',
  compaction: 'https://platform.openai.com/docs/guides/compaction',
  streaming: 'https://platform.openai.com/docs/api-reference/responses-streaming',
  state: 'https://platform.openai.com/docs/guides/conversation-state',
  tools: 'https://platform.openai.com/docs/guides/function-calling',
  grammars: 'https://platform.openai.com/docs/guides/function-calling#context-free-grammars',
  computer: 'https://platform.openai.com/docs/guides/tools-computer-use',
  background: 'https://platform.openai.com/docs/guides/background',
  conversations: 'https://platform.openai.com/docs/api-reference/conversations',
  errors: 'https://platform.openai.com/docs/guides/error-codes',
  specification: 'https://www.openresponses.org/specification',
  ownership: 'https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/',
} as const;
