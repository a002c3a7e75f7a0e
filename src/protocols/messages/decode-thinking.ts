import { z } from 'zod';
import { check, invalidChoice, invalidType } from '../../core/check.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { Effort, Reasoning, TextFormat } from '../../core/request.ts';
import { isClosed } from './decode-tools.ts';

const efforts = ['low', 'medium', 'high', 'xhigh', 'max'] as const;
const display = z.enum(['summarized', 'omitted']).nullish();
const thinkingTypes = ['enabled', 'adaptive', 'disabled', 'between_tools'] as const;
const thinkingKind = z.object({ type: z.string() });
const enabled = z.object({ budget_tokens: z.int().min(1024), display });
const shown = z.object({ display });
const config = z.object({ effort: z.enum(efforts).nullish() });
const format = z.object({ type: z.literal('json_schema'), schema: z.looseObject({}) });

export interface Thinking {
  reasoning: Reasoning | undefined;
  /** The client expects thinking blocks in the answer. */
  isOn: boolean;
}

/** By how much thinking a budget allows: the inverse of what `request-thinking.ts` makes of an effort. */
function effortOf(budget: number): Effort {
  if (budget <= 2048) return 'low';
  if (budget <= 8192) return 'medium';
  return budget <= 20_000 ? 'high' : 'xhigh';
}

/**
 * How much is to be thought, and whether it is to be told. Effort says it where it is there, since it holds for all that the
 * model writes.
 * @see https://platform.claude.com/docs/en/build-with-claude/extended-thinking
 */
export function decodeThinking(value: unknown, outputConfig: unknown): Thinking {
  const { effort = null } = outputConfig === undefined ? {} : configOf(outputConfig);
  if (value === undefined || value === null) {
    return { reasoning: effort === null ? undefined : { effort, summary: null }, isOn: false };
  }
  if (!isJsonObject(value)) throw invalidType('thinking', 'an object', value);
  const { type } = check(thinkingKind, value, 'thinking');
  switch (type) {
    case 'disabled':
      return { reasoning: { effort: 'none', summary: null }, isOn: false };
    case 'enabled': {
      const asked = check(enabled, value, 'thinking');
      return { reasoning: { effort: effort ?? effortOf(asked.budget_tokens), summary: summaryOf(asked) }, isOn: true };
    }
    case 'adaptive':
    case 'between_tools':
      return { reasoning: { effort, summary: summaryOf(check(shown, value, 'thinking')) }, isOn: true };
    default:
      throw invalidChoice('thinking.type', type, thinkingTypes);
  }
}

function summaryOf(asked: z.infer<typeof shown>): Reasoning['summary'] {
  return asked.display === 'omitted' ? null : 'auto';
}

function configOf(value: unknown): z.infer<typeof config> {
  return value === null ? {} : check(config, value, 'output_config');
}

/** Of `output_config.format`, or of `output_format`, as its beta called it. */
export function decodeFormat(outputConfig: unknown, outputFormat: unknown): TextFormat {
  const inConfig = isJsonObject(outputConfig) ? outputConfig['format'] : undefined;
  const isInConfig = inConfig !== undefined && inConfig !== null;
  const value = isInConfig ? inConfig : outputFormat;
  if (value === undefined || value === null) return { type: 'text' };
  const { schema } = check(format, value, isInConfig ? 'output_config.format' : 'output_format');
  return { type: 'json_schema', name: 'answer', schema, strict: isClosed(schema) };
}

/** What of these objects has no equal elsewhere, under dotted names. */
export function collectWithin(body: JsonObject, extra: JsonObject): void {
  collect('thinking', body['thinking'], ['type', 'budget_tokens', 'display'], extra);
  collect('output_config', body['output_config'], ['effort', 'format'], extra);
  collect('metadata', body['metadata'], ['user_id'], extra);
}

function collect(name: string, value: unknown, known: readonly string[], extra: JsonObject): void {
  if (!isJsonObject(value)) return;
  for (const [field, inner] of Object.entries(value)) {
    if (inner !== null && !known.includes(field)) extra[`${name}.${field}`] = inner;
  }
}
