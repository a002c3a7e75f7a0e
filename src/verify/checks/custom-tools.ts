import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { codeWord, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const name = 'look_up_word';
const tool = { type: 'custom', name, description: 'Looks up one word.', format: { type: 'text' } };
const forced = { type: 'custom', name };
const grammar = { type: 'grammar', syntax: 'lark', definition: 'start: WORD\nWORD: /[a-z]{2,12}/' };
const fits = /^[a-z]{2,12}$/;

const callOf = (response: any) => response.output?.find(({ type }: any) => type === 'custom_tool_call');

async function call(target: Target, body: object): Promise<{ response: any; made: any }> {
  const response = await target.create({
    input: `Use ${name} for the word "alpha".`,
    tools: [tool],
    tool_choice: forced,
    ...body,
  });
  const made = callOf(response);
  if (made === undefined) throw new Skip('the model called no custom tool');
  return { response, made };
}

export const customToolChecks: Check[] = [
  {
    name: 'tools/custom',
    reason: 'Coding agents get patches and programs as free text, and answer by call_id like any other tool.',
    rule: rules.tools,
    async run(target) {
      const secret = codeWord();
      const { response, made } = await call(target, {});
      equal(made.name, name, 'the name of the tool');
      expect(typeof made.input === 'string' && made.input !== '', 'the input is no text');
      const input = [{ type: 'custom_tool_call_output', call_id: made.call_id, output: `It means ${secret}.` }];
      const answer = await target.create({ previous_response_id: response.id, input, tools: [tool] });
      equal(wordsIn(textOf(answer)), [secret], 'the output that the model tells');
      const missing = await target.tryCreate({ previous_response_id: response.id, input: 'Never mind.' });
      equal(missing.status, 400, 'the status of a turn without the output');
    },
  },
  {
    name: 'tools/custom-streamed',
    reason: 'The input is shown while it is written: its pieces must be the whole.',
    rule: rules.streaming,
    async run(target) {
      const { events, response } = await target.createStream({
        input: `Use ${name} for the word "alpha".`,
        tools: [tool],
        tool_choice: forced,
      });
      const made = callOf(response);
      if (made === undefined) throw new Skip('the model called no custom tool');
      const of = (verb: string) =>
        events.filter(
          ({ type, data }) => type === `response.custom_tool_call_input.${verb}` && data.item_id === made.id,
        );
      equal(
        of('delta')
          .map(({ data }) => data.delta)
          .join(''),
        made.input,
        'the pieces of the input',
      );
      equal(
        of('done').map(({ data }) => data.input),
        [made.input],
        'the input in its last event',
      );
    },
  },
  {
    name: 'tools/grammar',
    reason: 'A program reads the input of such a call, and relies on its grammar.',
    rule: rules.grammars,
    async run(target) {
      const strict = { ...tool, format: grammar };
      const { made } = await call(target, { tools: [strict] });
      expect(fits.test(made.input), `the input does not keep to the grammar: ${made.input}`);
      const asked = { input: `Use ${name} for the word "ALPHA 7".`, tools: [strict], tool_choice: forced };
      const { status, body } = await target.tryCreate(asked);
      const odd = callOf(body);
      const isWrong = status === 200 && body.status === 'completed' && odd !== undefined && !fits.test(odd.input);
      expect(!isWrong, `a completed response has a call that breaks the grammar: ${odd?.input}`);
    },
  },
  {
    name: 'tools/unreadable-grammar',
    reason: 'A grammar that nobody can read is found out before anything is paid.',
    rule: rules.grammars,
    async run(target) {
      await call(target, { tools: [{ ...tool, format: grammar }] });
      const broken = { ...tool, format: { ...grammar, definition: 'start: (' } };
      const { status, body } = await target.tryCreate({ input: 'Hello.', tools: [broken] });
      equal(status, 400, 'the status');
      expect(/^tools\b/.test(body?.error?.param ?? ''), `error.param is ${body?.error?.param}`);
    },
  },
  {
    name: 'tools/computer',
    reason: 'A computer is used by call and screenshot, paired like any other call.',
    rule: rules.computer,
    async run(target) {
      const computer = {
        type: 'computer_use_preview',
        display_width: 1024,
        display_height: 768,
        environment: 'linux',
      };
      const body = { tools: [computer], truncation: 'auto' };
      const first = await target.tryCreate({ ...body, input: 'Use the computer to take a screenshot.' });
      if (first.status === 400 || first.status === 404) throw new Skip('the model has no computer');
      equal(first.status, 200, 'the status');
      const made = first.body.output.find(({ type }: any) => type === 'computer_call');
      if (made === undefined) throw new Skip('the model did not use the computer');
      expect(typeof made.call_id === 'string' && made.call_id !== '', 'the call has no call_id');
      const actions: any[] = made.actions ?? [made.action];
      expect(
        actions.every((action) => typeof action?.type === 'string'),
        'the call does not say what is to be done',
      );
      expect(Array.isArray(made.pending_safety_checks), 'pending_safety_checks is no list');
      const previous = { ...body, previous_response_id: first.body.id };
      const missing = await target.tryCreate({ ...previous, input: 'Never mind.' });
      equal(missing.status, 400, 'the status of a turn without the screenshot');
      const output = { type: 'computer_screenshot', image_url: `data:image/png;base64,${pixel}` };
      const shown = { type: 'computer_call_output', call_id: made.call_id, output };
      const answer = await target.create({ ...previous, input: [shown] });
      equal(answer.status, 'completed', 'the status of the turn that brings it');
    },
  },
];

/** One, transparent. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
