import { type Check, rules } from '../check.ts';
import { equal, expect } from '../expect.ts';
import type { Reply } from '../target.ts';

function checkShape({ body, status }: Reply): void {
  const error = body?.error;
  expect(typeof error === 'object' && error !== null, `a ${status} without an error object`);
  for (const field of ['message', 'type', 'param', 'code'])
    expect(Object.hasOwn(error, field), `error.${field} is missing`);
  expect(typeof error.message === 'string' && error.message !== '', 'error.message is no text');
}

const bad: [what: string, body: object, param: string][] = [
  ['a temperature of 9', { temperature: 9 }, 'temperature'],
  ['a top_p of -1', { top_p: -1 }, 'top_p'],
  ['max_output_tokens of 0', { max_output_tokens: 0 }, 'max_output_tokens'],
  ['a tool without a name', { tools: [{ type: 'function' }] }, 'tools'],
  ['an unknown tool_choice', { tool_choice: 'perhaps' }, 'tool_choice'],
  ['an unknown include', { include: ['everything'] }, 'include'],
  ['an unknown role', { input: [{ role: 'robot', content: 'x' }] }, 'input'],
  ['an unknown item', { input: [{ type: 'thought', text: 'x' }] }, 'input'],
  [
    'a user who says output_text',
    { input: [{ role: 'user', content: [{ type: 'output_text', text: 'x' }] }] },
    'input',
  ],
  ['a number as input', { input: 7 }, 'input'],
  [
    'seventeen pairs of metadata',
    { metadata: Object.fromEntries([...Array(17).keys()].map((i) => [`k${i}`, 'v'])) },
    'metadata',
  ],
  ['metadata that is no text', { metadata: { a: 1 } }, 'metadata'],
  ['two parents', { previous_response_id: 'resp_1', conversation: 'conv_1' }, ''],
];

export const errorChecks: Check[] = [
  {
    name: 'errors/shape',
    reason: 'SDKs make typed errors of these four fields.',
    rule: rules.errors,
    async run(target) {
      const reply = await target.tryCreate({ input: 'Hello.', temperature: 9 });
      equal(reply.status, 400, 'the status');
      checkShape(reply);
    },
  },
  {
    name: 'errors/bad-parameters',
    reason: 'A client can only mend what it is told of, and must not pay for a request that cannot be served.',
    rule: rules.errors,
    async run(target) {
      for (const [what, body, param] of bad) {
        for (const stream of [false, true]) {
          const reply = await target.tryCreate({ input: 'Hello.', ...body, stream });
          equal(reply.status, 400, `the status for ${what}`);
          checkShape(reply);
          const named = String(reply.body.error.param ?? '');
          expect(param === '' || named.startsWith(param), `error.param for ${what} is ${named}, not ${param}`);
        }
      }
    },
  },
  {
    name: 'errors/not-json',
    reason: 'A broken body is the client’s mistake, and must be called one.',
    rule: rules.errors,
    async run(target) {
      for (const raw of ['{"model":', '', '[]', 'null', '{"model":"x","input":"a","__proto__":{"a":1}}']) {
        const reply = await target.request('POST', '/responses', undefined, {
          raw,
          headers: { 'content-type': 'application/json' },
        });
        expect(reply.status >= 400 && reply.status < 500, `the body ${raw} answered ${reply.status}`);
        checkShape(reply);
      }
    },
  },
  {
    name: 'errors/unknown-model',
    reason: 'A model that is not there must not be replaced by another one in silence.',
    rule: rules.errors,
    async run(target) {
      const reply = await target.tryCreate({ model: 'no-such-model-4711', input: 'Hello.' });
      expect(reply.status === 404 || reply.status === 400, `an unknown model answered ${reply.status}`);
      checkShape(reply);
    },
  },
  {
    name: 'errors/missing-fields',
    reason: 'What is missing must be named.',
    rule: rules.errors,
    async run(target) {
      const noInput = await target.request('POST', '/responses', { model: target.model });
      equal(noInput.status, 400, 'the status without input');
      checkShape(noInput);
      const noModel = await target.request('POST', '/responses', { input: 'Hello.' });
      equal(noModel.status, 400, 'the status without a model');
      equal(noModel.body.error.param, 'model', 'error.param without a model');
    },
  },
  {
    name: 'errors/unknown-ids',
    reason: 'Every endpoint says alike that there is no such response.',
    rule: rules.errors,
    async run(target) {
      const id = `resp_${'0'.repeat(44)}`;
      const replies = await Promise.all([
        target.request('GET', `/responses/${id}`),
        target.request('DELETE', `/responses/${id}`),
        target.request('GET', `/responses/${id}/input_items`),
        target.request('POST', `/responses/${id}/cancel`),
      ]);
      for (const reply of replies) {
        equal(reply.status, 404, 'the status for an unknown id');
        checkShape(reply);
      }
    },
  },
  {
    name: 'errors/wrong-key',
    reason: 'Whoever has no key gets nothing.',
    rule: rules.errors,
    async run(target) {
      if (target.key === undefined) return;
      for (const key of [null, 'sk-wrong-key-of-verify']) {
        const reply = await target.tryCreate({ input: 'Hello.' }, { key });
        equal(reply.status, 401, key === null ? 'the status without a key' : 'the status with a wrong key');
        checkShape(reply);
      }
    },
  },
];
