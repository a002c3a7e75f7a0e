import { expect, test } from 'vitest';
import { recall } from './recall.ts';

const earlier = [
  'My name is Ada Lovelace and I like tea.',
  'The code word is zebra (42). My favourite colour is blue',
  'Call me Countess, please',
];

test.each([
  ['What is my name?', earlier.slice(0, 2), 'Your name is Ada Lovelace.'],
  ["what's my name", earlier, 'Your name is Countess.'],
  ['What was the code word again?', earlier, undefined],
  ['What was the code word?', earlier, 'The code word is zebra (42).'],
  ['And what is my favourite colour?', earlier, 'Your favourite colour is blue.'],
  ['What is my (shoe) size?', earlier, 'You have not told me your (shoe) size.'],
  ['What did I say first?', earlier, `First you said: "${earlier[0]}".`],
  ['What did I just ask?', earlier, `Before this you said: "${earlier[2]}".`],
  ['What did I say first?', [], 'You have not said anything before this.'],
  ['What is the weather?', earlier, undefined],
  ['Hello', earlier, undefined],
])('%s', (asked, said, answer) => expect(recall(asked, said)).toBe(answer));
