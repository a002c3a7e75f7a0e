import { hash } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import { callIdFor } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json-object.ts';
import type { Report } from '../../core/report.ts';
import type { ChatQuirks } from '../codec.ts';
import { type ChatMessage, type ChatPart, maxCallIdLength } from './wire.ts';

/** What a client calls the fields that it knows by another name; '' is none of a client's. */
const paramOf: Readonly<Record<string, string>> = { verbosity: 'text.verbosity', stream_options: '' };

/** An answer without them is another answer than the one that was asked for. */
const needed: Readonly<Record<string, string>> = { top_logprobs: 'top_logprobs', logprobs: 'include' };

/**
 * A request's fields as the vendor knows them.
 * @throws GatewayError 400 for what it refuses and what would change the meaning if it were left out.
 */
export function applyQuirks(
  fields: JsonObject,
  { refuses = [], renames = {} }: ChatQuirks,
  report: Report,
): JsonObject {
  const spoken: JsonObject = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!refuses.includes(name)) {
      spoken[renames[name] ?? name] = value;
      continue;
    }
    const param = needed[name];
    if (param !== undefined) {
      const asked = 'top_logprobs' in fields ? 'top_logprobs' : param;
      throw new GatewayError('unsupported_value', 'The upstream gives no log probabilities.', { param: asked });
    }
    const known = paramOf[name] ?? name;
    if (known !== '') report.warn(known, 'The upstream has no such parameter.');
  }
  return spoken;
}

/** Nine letters and digits are what Mistral makes and takes. @see https://docs.mistral.ai/capabilities/function_calling */
export const shortCallId = /^[a-zA-Z0-9]{9}$/;

/** An id as the vendor takes it: itself where it can be. The same for a call and its output. */
export function wireCallId(callId: string, quirks: ChatQuirks | undefined): string {
  if (quirks?.shortCallIds !== true) return callIdFor(callId, maxCallIdLength);
  return shortCallId.test(callId) ? callId : hash('sha256', callId).slice(0, 9);
}

/** Messages of a user in a row as one message. */
export function inTurns(messages: readonly ChatMessage[], report: Report): ChatMessage[] {
  const joined: ChatMessage[] = [];
  for (const message of messages) {
    const before = joined.at(-1);
    if (message.role !== 'user' || before?.role !== 'user') {
      joined.push(message);
      continue;
    }
    report.warn('input', 'Messages of the user in a row were sent as one.');
    joined[joined.length - 1] = { role: 'user', content: [...partsOf(before.content), ...partsOf(message.content)] };
  }
  return joined;
}

function partsOf(content: string | ChatPart[]): ChatPart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}
