import { type Check, rules } from '../check.ts';
import { equal, expect } from '../expect.ts';
import type { Target } from '../target.ts';
import type { VerifySocket } from '../socket.ts';
import { codeWord, recite, tell, textOf, wordsIn } from '../words.ts';
import { checkGrammar } from './streams.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

async function withSocket(target: Target, work: (socket: VerifySocket) => Promise<void>): Promise<void> {
  const socket = await target.socket();
  try {
    await work(socket);
  } finally {
    socket.close();
  }
}

/** @returns the response that the messages end with. */
async function turn(target: Target, socket: VerifySocket, body: object): Promise<any> {
  const messages = await socket.create({ model: target.model, ...body });
  const last = messages.at(-1);
  expect(last.type !== 'error', `a turn ended in an error: ${JSON.stringify(last).slice(0, 300)}`);
  checkGrammar(messages.map((data) => ({ type: data.type, name: data.type, data })));
  return last.response;
}

export const socketChecks: Check[] = [
  {
    name: 'websocket/turns',
    reason: 'The same events as over HTTP, one message each, several turns on one connection.',
    rule: rules.specification,
    run: (target) =>
      withSocket(target, async (socket) => {
        const words = [codeWord(), codeWord()];
        const first = await turn(target, socket, { input: tell(words[0] ?? '') });
        const second = await turn(target, socket, { previous_response_id: first.id, input: tell(words[1] ?? '') });
        const third = await turn(target, socket, { previous_response_id: second.id, input: recite });
        equal(wordsIn(textOf(third)), words, 'what the model was shown');
        equal((await target.request('GET', `/responses/${third.id}`)).status, 200, 'the status of GET over HTTP');
      }),
  },
  {
    name: 'websocket/not-stored-chain',
    reason: 'A connection keeps its newest response, so that nothing needs to be stored to go on.',
    rule: rules.specification,
    run: (target) =>
      withSocket(target, async (socket) => {
        const word = codeWord();
        const first = await turn(target, socket, { input: tell(word), store: false });
        const second = await turn(target, socket, { previous_response_id: first.id, input: recite, store: false });
        equal(wordsIn(textOf(second)), [word], 'what the model was shown');
        equal((await target.request('GET', `/responses/${first.id}`)).status, 404, 'the status of GET over HTTP');
      }),
  },
  {
    name: 'websocket/not-stored-elsewhere',
    reason: 'What one connection keeps is not for others.',
    rule: rules.specification,
    run: (target) =>
      withSocket(target, async (socket) => {
        const first = await turn(target, socket, { input: tell(codeWord()), store: false });
        await withSocket(target, async (other) => {
          const body = { model: target.model, previous_response_id: first.id, input: recite, store: false };
          const refused = (await other.create(body)).at(-1);
          equal(refused.type, 'error', 'the type of the answer');
          equal(refused.error?.code, 'previous_response_not_found', 'error.code');
          equal(refused.status, 400, 'status');
        });
      }),
  },
  {
    name: 'websocket/forgets-after-failure',
    reason: 'After a failed turn the state of the connection is not trusted any more.',
    rule: rules.specification,
    run: (target) =>
      withSocket(target, async (socket) => {
        const first = await turn(target, socket, { input: tell(codeWord()), store: false });
        const next = { model: target.model, previous_response_id: first.id, input: recite, store: false };
        const bad = (await socket.create({ ...next, temperature: 9 })).at(-1);
        equal(bad.type, 'error', 'the type of the answer to a bad turn');
        const again = (await socket.create(next)).at(-1);
        equal(again.error?.code, 'previous_response_not_found', 'error.code of the turn that follows');
      }),
  },
  {
    name: 'websocket/bad-messages',
    reason: 'A message that is wrong ends neither the server nor the connection.',
    rule: rules.specification,
    run: (target) =>
      withSocket(target, async (socket) => {
        for (const message of ['{"type":', '[]', { type: 'response.sing' }, {}]) {
          const answer = await socket.ask(message);
          equal(answer.type, 'error', 'the type of the answer');
          expect(answer.status >= 400 && answer.status < 500, `the status is ${answer.status}`);
          expect(typeof answer.error?.message === 'string', 'the error has no message');
        }
        await turn(target, socket, { input: 'Hello.' });
      }),
  },
];
