import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { askSecret, callsOf, codeWord, outputOf, recite, secretTool, tell, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const first = { input: askSecret, tools: [secretTool], tool_choice: 'required' };

async function call(target: Target, body: object = {}, model = target.model): Promise<{ response: any; call: any }> {
  const response = await target.create({ model, ...first, ...body });
  const [made] = callsOf(response);
  if (made === undefined) throw new Skip('the model called no tool');
  return { response, call: made };
}

const noOutput = /no tool output found/i;
const noCall = /no tool call found/i;

export const toolChecks: Check[] = [
  {
    name: 'tools/loop',
    reason: 'The second turn of a tool conversation brings the output alone: the call must be found again.',
    rule: rules.tools,
    async run(target) {
      for (const stream of [false, true]) {
        const secret = codeWord();
        const { response, call: made } = await call(target);
        equal(response.status, 'completed', 'the status of a response that calls a tool');
        equal(made.name, 'get_secret', 'the name of the tool');
        expect(typeof made.call_id === 'string' && made.call_id !== '', 'the call has no call_id');
        expect(typeof made.arguments === 'string', 'the arguments are no text');
        const body = {
          previous_response_id: response.id,
          input: [outputOf(made.call_id, secret)],
          tools: [secretTool],
        };
        const answer = stream ? (await target.createStream(body)).response : await target.create(body);
        equal(wordsIn(textOf(answer)), [secret], 'the secret that the model tells');
      }
    },
  },
  {
    name: 'tools/loop-after-stream',
    reason: 'Agents stream; the call that they were shown must be the one that is stored.',
    rule: rules.tools,
    async run(target) {
      const secret = codeWord();
      const { response } = await target.createStream(first);
      const [made] = callsOf(response);
      if (made === undefined) throw new Skip('the model called no tool');
      const answer = await target.create({
        previous_response_id: response.id,
        input: [outputOf(made.call_id, secret)],
        tools: [secretTool],
      });
      equal(wordsIn(textOf(answer)), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'tools/not-sent-again',
    reason: 'A client may leave the tools out where it wants no further call.',
    rule: rules.tools,
    async run(target) {
      const secret = codeWord();
      const { response, call: made } = await call(target);
      const answer = await target.tryCreate({
        previous_response_id: response.id,
        input: [outputOf(made.call_id, secret)],
      });
      equal(answer.status, 200, 'the status');
      equal(wordsIn(textOf(answer.body)), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'tools/long-loop',
    reason: 'An agent calls again and again before it answers.',
    rule: rules.tools,
    async run(target) {
      const secrets = [codeWord(), codeWord(), codeWord()];
      let { response, call: made } = await call(target);
      const tools = [secretTool];
      for (const secret of secrets.slice(0, -1)) {
        const input = [outputOf(made.call_id, secret), { role: 'user', content: askSecret }];
        response = await target.create({ previous_response_id: response.id, input, tools, tool_choice: 'required' });
        const [next] = callsOf(response);
        if (next === undefined) throw new Skip('the model called no tool');
        expect(next.call_id !== made.call_id, 'two calls of one chain have the same call_id');
        made = next;
      }
      const last = [outputOf(made.call_id, secrets.at(-1) ?? '')];
      const done = await target.create({ previous_response_id: response.id, input: last, tools });
      const told = await target.create({
        previous_response_id: done.id,
        input: 'List every secret that get_secret has returned, oldest first, separated by commas, and nothing else.',
      });
      equal(wordsIn(textOf(told)), secrets, 'the outputs that the model was shown');
    },
  },
  {
    name: 'tools/output-as-parts',
    reason: 'Newer clients send outputs as lists of parts.',
    rule: rules.tools,
    async run(target) {
      const secret = codeWord();
      const { response, call: made } = await call(target);
      const output = { ...outputOf(made.call_id, ''), output: [{ type: 'input_text', text: secret }] };
      const answer = await target.create({ previous_response_id: response.id, input: [output], tools: [secretTool] });
      equal(wordsIn(textOf(answer)), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'tools/parallel',
    reason: 'Outputs of parallel calls come back in any order, and beside other messages.',
    rule: rules.tools,
    async run(target) {
      const response = await target.create({
        input: 'Use get_secret for "alpha" and for "beta", both at once, then tell me both secrets.',
        tools: [secretTool],
      });
      const calls = callsOf(response);
      if (calls.length < 2) throw new Skip('the model made fewer than two calls at once');
      equal(new Set(calls.map(({ call_id: id }) => id)).size, calls.length, 'the number of different call ids');
      const secrets = calls.map(codeWord);
      const outputs = calls.map(({ call_id: id }, index) => outputOf(id, secrets[index] ?? '')).toReversed();
      const input = [outputs[0], { role: 'user', content: 'Here is the rest.' }, ...outputs.slice(1)];
      const body = { previous_response_id: response.id, input, tools: [secretTool], tool_choice: 'none' };
      const answer = await target.create(body);
      equal(wordsIn(textOf(answer)).toSorted(), secrets.toSorted(), 'the secrets that the model tells');
    },
  },
  {
    name: 'tools/missing-output',
    reason:
      'A call without its output makes most models refuse the whole conversation; it must be found before it is paid.',
    rule: rules.tools,
    async run(target) {
      const { response } = await call(target);
      const { status, body } = await target.tryCreate({ previous_response_id: response.id, input: 'Never mind.' });
      equal(status, 400, 'the status');
      expect(noOutput.test(body?.error?.message ?? ''), `the message is: ${body?.error?.message}`);
      equal(body.error.param, 'input', 'error.param');
    },
  },
  {
    name: 'tools/missing-call',
    reason: 'An output that belongs to no call means that the client has the wrong parent.',
    rule: rules.tools,
    async run(target) {
      const { response } = await call(target);
      for (const previous of [{}, { previous_response_id: response.id }]) {
        const { status, body } = await target.tryCreate({ ...previous, input: [outputOf('call_nothing', 'x')] });
        equal(status, 400, 'the status');
        expect(noCall.test(body?.error?.message ?? ''), `the message is: ${body?.error?.message}`);
      }
    },
  },
  {
    name: 'tools/can-be-corrected',
    reason: 'After a refused turn the same parent takes the right one.',
    rule: rules.tools,
    async run(target) {
      const secret = codeWord();
      const { response, call: made } = await call(target);
      equal(
        (await target.tryCreate({ previous_response_id: response.id, input: 'Never mind.' })).status,
        400,
        'the status',
      );
      const body = { previous_response_id: response.id, input: [outputOf(made.call_id, secret)], tools: [secretTool] };
      equal(wordsIn(textOf(await target.create(body))), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'tools/double-output',
    reason: 'Of two outputs of one call nobody knows which one is true.',
    rule: rules.tools,
    async run(target) {
      const { response, call: made } = await call(target);
      const input = [outputOf(made.call_id, 'one'), outputOf(made.call_id, 'two')];
      equal((await target.tryCreate({ previous_response_id: response.id, input })).status, 400, 'the status');
    },
  },
  {
    name: 'tools/choice',
    reason: 'A client that says that no tool may be called must not be made to run one.',
    rule: rules.tools,
    async run(target) {
      const none = await target.create({ input: askSecret, tools: [secretTool], tool_choice: 'none' });
      equal(callsOf(none).length, 0, 'the number of calls with tool_choice none');
      const forced = { type: 'function', name: 'get_secret' };
      const named = await target.create({ input: 'Hello.', tools: [secretTool], tool_choice: forced });
      equal(callsOf(named)[0]?.name, 'get_secret', 'the tool that was called');
      equal(named.tool_choice, forced, 'tool_choice of the response');
    },
  },
  {
    name: 'tools/whole-history-sent',
    reason: 'Stateless clients send calls and outputs themselves.',
    rule: rules.tools,
    async run(target) {
      const [word, secret] = [codeWord(), codeWord()];
      const { response, call: made } = await call(target, { store: false });
      const input = [
        { role: 'user', content: tell(word) },
        { role: 'assistant', content: 'OK' },
        { role: 'user', content: askSecret },
        ...response.output,
        outputOf(made.call_id, secret),
      ];
      const answer = await target.create({ input, tools: [secretTool], store: false });
      expect(wordsIn(textOf(answer)).includes(secret), 'the model was not shown the output');
      const again = [...input, ...answer.output, { role: 'user', content: recite }];
      const told = await target.create({ input: again, tools: [secretTool], tool_choice: 'none', store: false });
      expect(wordsIn(textOf(told)).includes(word), 'the model was not shown the beginning');
    },
  },
  {
    name: 'models/tool-loop-changes-hands',
    reason: 'A fallback in the middle of a tool loop must find the call of the other model.',
    rule: rules.tools,
    needs: ['model2'],
    async run(target) {
      const secret = codeWord();
      const { response, call: made } = await call(target);
      const answer = await target.create({
        model: target.model2,
        previous_response_id: response.id,
        input: [outputOf(made.call_id, secret)],
        tools: [secretTool],
      });
      equal(wordsIn(textOf(answer)), [secret], 'the secret that the other model tells');
      const other = await call(target, { previous_response_id: answer.id }, target.model2);
      const back = await target.create({
        previous_response_id: other.response.id,
        input: [outputOf(other.call.call_id, secret)],
        tools: [secretTool],
      });
      expect(wordsIn(textOf(back)).includes(secret), 'the first model was not shown the output');
    },
  },
  {
    name: 'restart/tool-loop-survives',
    reason: 'A tool may run for longer than the server.',
    rule: rules.tools,
    needs: ['restart'],
    async run(target) {
      const secret = codeWord();
      const { response, call: made } = await call(target);
      await target.restart();
      const body = { previous_response_id: response.id, input: [outputOf(made.call_id, secret)], tools: [secretTool] };
      equal(wordsIn(textOf(await target.create(body))), [secret], 'the secret that the model tells after the restart');
    },
  },
];
