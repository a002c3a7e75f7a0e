import { describe, expect, test } from 'vitest';
import type { Item, Origin } from '../core/items.ts';
import { printOrigin, readOrigin } from './stored-origin.ts';

const long = 'A thought that is worth a number, "quoted" \\ and\nbroken, é \u0000 \ud800.';
const thought = (...texts: string[]): Item => ({
  id: 'rs_1',
  type: 'reasoning',
  summary: texts.map((text) => ({ type: 'summary_text', text })),
});
const said = (text: string): Item => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const call = (text: string): Item => ({ id: 'fc_1', type: 'function_call', call_id: 'c', name: 'f', arguments: text });
const custom: Item = { id: 'ctc_1', type: 'custom_tool_call', call_id: 'c', name: 'f', input: long };
const from = (source: string): Origin => ({ protocol: 'messages', model: 'claude-x', source });
const thinking = (text: string) => JSON.stringify({ type: 'thinking', thinking: text, signature: 'c2lnbmF0dXJl' });
const argumentsText = '{"10":1,"path":"/home/user/a.ts","2":18446744073709551616}';

describe('an origin is read as it was, whatever of it the item says', () => {
  test.each<[string, Item, Origin, isShorter: boolean]>([
    ['thinking', thought(long), from(thinking(long)), true],
    ['thinking, once more in its signature', thought(long), from(`${thinking(long)},${thinking(long)}`), true],
    ['thoughts in parts', thought(long, `${long}${long}`), from(`${thinking(long)},${thinking(long + long)}`), true],
    ['parts in another order', thought(`${long}!`, long), from(`${thinking(long)},${thinking(`${long}!`)}`), true],
    ['a text with citations', said(long), from(JSON.stringify({ type: 'text', text: long, citations: [1] })), true],
    ['arguments as JSON', call(argumentsText), from(`{"type":"tool_use","input":${argumentsText},"x":1}`), true],
    ['arguments as text', call(argumentsText), from(JSON.stringify({ arguments: argumentsText, x: 1 })), true],
    ['a custom tool', custom, from(`{"type":"tool_use","input":{"input":${JSON.stringify(long)}},"x":1}`), true],
    ['another spelling of the text', thought(long), from(thinking(long).replaceAll('é', '\\u00e9')), false],
    ['a short text', thought('Hm.'), from(thinking('Hm.')), false],
    ['no text', thought(), from(thinking('')), false],
    ['nothing beside the item', said(long), from(''), false],
    ['a call with an id of its own', call(argumentsText), { ...from(argumentsText), upstreamCallId: '' }, false],
  ])('%s', (_, item, origin, isShorter) => {
    const stored = printOrigin(origin, item);
    const read = JSON.parse(JSON.stringify(item)) as Item;
    expect(readOrigin(stored, read)).toEqual(origin);
    expect(stored.length < origin.source.length).toBe(isShorter);
  });

  test('never with a hole in it', () => {
    const stored = printOrigin(from(thinking(long)), thought(long));
    expect(() => readOrigin(stored, thought())).toThrow('rs_1');
  });

  test('one that was stored as its own JSON', () => {
    expect(readOrigin(JSON.stringify(from(thinking(long))), thought(long))).toEqual(from(thinking(long)));
  });
});
