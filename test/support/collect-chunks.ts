import { expect } from 'vitest';

// oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
type Json = any;

export interface CollectedChunks {
  /** What the chunks make together: the plain answer. Undefined: there was none. */
  completion: Json;
  /** What the stream ended with in place of an end. */
  error: Json;
  /** It ended with `[DONE]`. */
  done: boolean;
}

/**
 * Puts a stream of Chat Completions together, and demands of it what clients rely on: one id, model and time; a role first;
 * nothing of the message after its reason to stop; an end marker, or an error and nothing after it.
 */
export function collectChunks(text: string): CollectedChunks {
  const frames = text.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
  const collected: CollectedChunks = { completion: undefined, error: undefined, done: false };
  const message: Json = {};
  const logprobs: Json[] = [];
  let finishReason: string | null = null;
  for (const frame of frames) {
    expect(frame).toMatch(/^data: /);
    expect([collected.done, collected.error]).toEqual([false, undefined]);
    const data = frame.slice('data: '.length);
    if (data === '[DONE]') {
      expect(finishReason).not.toBeNull();
      collected.done = true;
      continue;
    }
    const { object, choices, usage, error, ...head } = JSON.parse(data);
    if (error !== undefined) {
      expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
      collected.error = error;
      continue;
    }
    expect(object).toBe('chat.completion.chunk');
    collected.completion ??= { ...head, object: 'chat.completion', choices: [] };
    const { completion } = collected;
    for (const field of ['id', 'model', 'created']) expect(head[field]).toBe(completion[field]);
    Object.assign(completion, head, usage === undefined || usage === null ? {} : { usage });
    if (choices.length === 0) {
      expect(finishReason).not.toBeNull();
      continue;
    }
    expect(choices).toHaveLength(1);
    const [{ index, delta, logprobs: told, finish_reason }] = choices;
    expect([index, finishReason]).toEqual([0, null]);
    if (Object.keys(message).length === 0) expect(delta.role).toBe('assistant');
    addDelta(message, delta);
    logprobs.push(...(told?.content ?? []));
    finishReason = finish_reason;
    const said = logprobs.length === 0 ? null : { content: logprobs, refusal: null };
    completion.choices = [{ index, message, logprobs: said, finish_reason }];
  }
  return collected;
}

/** As OpenAI's own clients do: texts and calls grow, all else is replaced. */
function addDelta(message: Json, { tool_calls: calls = [], function_call: called, ...delta }: Json): void {
  for (const [field, value] of Object.entries(delta)) {
    const grows = typeof value === 'string' && typeof message[field] === 'string' && field !== 'role';
    message[field] = grows ? message[field] + value : (value ?? message[field] ?? null);
  }
  if (called !== undefined) {
    message.function_call ??= { arguments: '' };
    addCall(message.function_call, called);
  }
  for (const { index, id, type, ...call } of calls) {
    message.tool_calls ??= [];
    if (id !== undefined) {
      expect(index).toBe(message.tool_calls.length);
      message.tool_calls.push({ id, type });
    }
    const [field = ''] = Object.keys(call);
    addCall((message.tool_calls[index][field] ??= {}), call[field]);
  }
}

function addCall(target: Json, { name, ...texts }: Json): void {
  if (name !== undefined) target.name = name;
  for (const [field, text] of Object.entries(texts)) target[field] = (target[field] ?? '') + String(text);
}
