import { randomInt } from 'node:crypto';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

/** A word that nobody else knows: a model that says it has been shown it. */
export function codeWord(): string {
  const letters = Array.from({ length: 3 }, () => String.fromCharCode(65 + randomInt(26))).join('');
  return `${letters}-${randomInt(1000, 10_000)}`;
}

export const tell = (word: string) => `The next code word is ${word}. Answer with OK and nothing else.`;
export const recite =
  'List every code word that I have told you in this conversation, in the order in which I told them, ' +
  'separated by commas, and nothing else. If there is none, answer NONE.';

/** The text of a response's messages. */
export function textOf(response: any): string {
  const items: any[] = Array.isArray(response?.output) ? response.output : [];
  return items
    .filter((item) => item.type === 'message')
    .flatMap((item) => item.content ?? [])
    .map((part) => part.text ?? part.refusal ?? '')
    .join('');
}

/** The code words in a text, in order. */
export function wordsIn(text: string): string[] {
  return text.match(/\b[A-Z]{3}-\d{4}\b/g) ?? [];
}

export const secretTool = {
  type: 'function',
  name: 'get_secret',
  description: 'Returns the secret that is stored under a name.',
  parameters: {
    type: 'object',
    properties: { name: { type: 'string', description: 'Which secret' } },
    required: ['name'],
    additionalProperties: false,
  },
  strict: true,
};

export const askSecret = 'Use get_secret to look up the secret named "alpha", then tell me the secret word for word.';

export function callsOf(response: any): any[] {
  const items: any[] = Array.isArray(response?.output) ? response.output : [];
  return items.filter((item) => item.type === 'function_call');
}

export const outputOf = (callId: string, output: string) => ({
  type: 'function_call_output',
  call_id: callId,
  output,
});
