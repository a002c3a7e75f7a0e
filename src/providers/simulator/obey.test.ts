import { expect, test } from 'vitest';
import { obey } from './obey.ts';

const talk = {
  user: ['The next code word is ABC-1234.', 'Then come DE-5 and FGH-678; no-9 is none.'],
  assistant: ['OK', 'The last answer.'],
  toolResults: ['XYZ-1', 'nothing', 'XYZ-2'],
};
const nothing = { user: [], assistant: [], toolResults: [] };

test.each([
  ['Repeat your last answer word for word, and nothing else.', talk, 'The last answer.'],
  ['Repeat your last answer.', nothing, 'I have not answered anything before this.'],
  ['Repeat this code word, and nothing else: QRS-9876', talk, 'QRS-9876'],
  ['List every code word that I have told you in this conversation, in order.', talk, 'ABC-1234, DE-5, FGH-678'],
  ['List every code word that I have told you.', nothing, 'NONE'],
  ['List every secret that get_secret has returned.', talk, 'XYZ-1, XYZ-2'],
  ['The next code word is ABC-1234. Answer with OK and nothing else.', talk, 'OK'],
  ['Answer with the single word hello.', talk, 'hello'],
  ['Answer with the city and whether it is sunny.', talk, undefined],
  ['Hello.', talk, undefined],
])('%s', (asked, said, answer) => expect(obey(asked, said)).toBe(answer));
