/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { expect } from 'vitest';
import { frame, messageEvents } from '../support/fake-upstream.ts';
import { sendStream } from '../support/raw-upstream.ts';
import { responseEvents, responseOf, text as openAiText } from '../support/openai-upstream.ts';
import { chatDone, chatFrame, chatUsageFrame, type Dialect, geminiFrames } from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';

/** A good stream that says this text in two deltas, cut in its middle. */
function saying(dialect: Dialect, text: string): string {
  if (dialect === 'messages')
    return messageEvents([{ type: 'text', text }])
      .map(frame)
      .join('');
  if (dialect === 'responses')
    return responseEvents(responseOf({ model: 'gpt-test-1' }, { output: [openAiText(text)] }))
      .map(frame)
      .join('');
  if (dialect === 'gemini') return geminiFrames({ parts: [{ text }] }).join('');
  const middle = text.length >> 1;
  const deltas = [text.slice(0, middle), text.slice(middle)].map((content) => chatFrame({ content }));
  return [...deltas, chatFrame({}, 'stop'), chatUsageFrame, chatDone].join('');
}

const texts = [
  { name: 'a NUL', text: 'a\u0000b' },
  { name: 'a character split over two deltas', text: '👋' },
  { name: 'half a character', text: 'half \ud83d' },
  { name: 'line and paragraph separators', text: 'a\u2028b\u2029c\u0085d\r\ne\rf' },
  { name: 'the end marker', text: 'x\n\ndata: [DONE]\n\ny' },
  {
    name: 'a forged event',
    text: 'x\n\nevent: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_forged"}}\n\n',
  },
  { name: 'quotes, backslashes and a closing script', text: '"\\"\\\\u0000</script>\u0007' },
  { name: '1 MB in one delta', text: 'é'.repeat(1024 * 1024) },
];

/** F-33: text that could be taken for something else arrives as the text it is. */
export const textCases: FaultCase[] = texts.map(({ name, text }) => ({
  name: `F-33 ${name}`,
  script: (dialect) => (call) => sendStream(call, saying(dialect, text)),
  stream: 'completed',
  attempts: 1,
  check({ response, next, nextAnswer }) {
    expect(response.output).toHaveLength(1);
    // Not by `toBe`: a megabyte is of no use in a message.
    expect(response.output[0].content[0].text === text).toBe(true);
    const sent: { content?: string | { text?: string }[]; parts?: { text?: string }[] }[] =
      next?.body.messages ?? next?.body.input ?? next?.body.contents;
    const seen = sent.flatMap(({ content, parts = [] }) =>
      typeof content === 'string' ? content : (content ?? parts).map((part) => part.text),
    );
    expect(seen.includes(text.toWellFormed())).toBe(true);
    expect(nextAnswer.headers.has('x-turnpike-warnings')).toBe(!text.isWellFormed());
  },
}));
