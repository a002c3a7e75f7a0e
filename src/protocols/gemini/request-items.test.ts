import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { call, encode, message, output } from '../../../test/fixtures/gemini/encode-input.ts';
import { geminiRefusal, signatureOf } from '../../../test/support/gemini-upstream.ts';
import type { ContextItem, InputPart, Item, Origin } from '../../core/items.ts';

const model = 'gemini-3-pro';
const from = (source: object | string, originModel = model, more: Partial<Origin> = {}): Origin => ({
  protocol: 'gemini',
  model: originModel,
  source: typeof source === 'string' ? source : JSON.stringify(source),
  ...more,
});
const placed = (item: Item, origin?: Origin): ContextItem => ({ item, origin });
const user = (text: string) => placed(message('user', text));
const said = (text: string, origin?: Origin) => placed(message('assistant', text), origin);
const thought = (id: string, origin?: Origin) => placed({ type: 'reasoning', id, summary: [] }, origin);
const skip = 'skip_thought_signature_validator';

/** Contents with what stands in their parts, to compare at a glance. */
function shown(context: ContextItem[], given: { model?: string } = {}) {
  const encoded = encode({ context, ...given });
  expect(geminiRefusal(encoded.body, given.model ?? model)).toBeUndefined();
  const contents = encoded.parsed.contents.map(({ role, parts }) => {
    const words = parts.map((part) => {
      const sign = part.thoughtSignature === undefined ? '' : `!${part.thoughtSignature}`;
      if (part.functionCall !== undefined) return `${part.functionCall.name}(${part.functionCall.id ?? ''})${sign}`;
      if (part.functionResponse !== undefined) {
        const { id = '', response } = part.functionResponse;
        return `=${id}${response.output ?? JSON.stringify(response)}`;
      }
      return `${part.text ?? Object.keys(part).join()}${sign}`;
    });
    return `${role}: ${words.join(' | ')}`;
  });
  return { ...encoded, contents };
}

describe('contents', () => {
  test('what the model says in one go is one content, in its order, and so is what users say', () => {
    const { contents } = shown([user('a'), user('b'), said('c'), placed(call('1')), placed(output('1')), user('d')]);
    expect(contents).toEqual(['user: a | b', `model: c | f()!${skip}`, 'user: =out 1 | d']);
  });

  test('results stand together directly behind their calls, in the order of the calls', () => {
    const { contents, warned } = shown([
      user('a'),
      placed(call('1', '{}', 'f')),
      placed(call('2', '{}', 'g')),
      user('b'),
      placed(output('2')),
      placed(output('1')),
    ]);
    expect(contents).toEqual(['user: a', `model: f()!${skip} | g()`, 'user: =out 1 | =out 2 | b']);
    expect(warned).toEqual(['input']);
  });

  test('a call without an output yet has one that says so', () => {
    const pending: Item = { ...call('1'), async: true } as Item;
    expect(shown([user('a'), placed(pending), user('b')]).contents.at(-1)).toMatch(/^user: =The call goes on .* \| b$/);
  });

  test('a conversation that begins with the model is begun by a user', () => {
    const { contents, warned } = shown([said('a'), user('b')]);
    expect([contents, warned]).toEqual([['user: .', 'model: a', 'user: b'], ['input']]);
  });

  test('later instructions are user text in tags, leading ones the system instruction', () => {
    const { contents, parsed, warned } = shown([
      placed(message('developer', 'x')),
      user('a'),
      placed(message('system', 'y')),
    ]);
    expect(contents).toEqual(['user: a | <system>y</system>']);
    expect(parsed['systemInstruction']).toEqual({ parts: [{ text: 'x' }] });
    expect(warned).toEqual(['input']);
  });

  test('a cut call, a refusal and an empty text are not sent', () => {
    const cut = { ...call('1'), status: 'incomplete' } as Item;
    const refusal = placed(message('assistant', { type: 'refusal', refusal: 'No.' }));
    const { contents, warned } = shown([user('a'), placed(cut), refusal, said(''), user('b')]);
    expect([contents, warned]).toEqual([['user: a | b'], ['input', 'input']]);
  });
});

describe('arguments and results', () => {
  test('arguments are the text that they were', () => {
    const args = '{ "b":18446744073709551616, "1":1.0, "0":"\\u003c" }';
    expect(encode({ items: [message('user', 'a'), call('1', args), output('1')] }).body).toContain(`"args":${args}`);
  });

  test.each([
    ['', {}, false],
    ['[1]', { arguments: '[1]' }, true],
    ['{"a":', { arguments: '{"a":' }, true],
  ])('arguments %s', (given, args, isWarned) => {
    const { parsed, warned } = encode({ items: [message('user', 'a'), call('1', given), output('1')] });
    expect(parsed.contents[1]?.parts[0].functionCall.args).toEqual(args);
    expect(warned.length > 0).toBe(isWarned);
  });

  test.each([
    ['18 °C', '{"output":"18 °C"}'],
    ['', '{"output":""}'],
    ['[1,2]', String.raw`{"output":"[1,2]"}`],
    ['{ "b":123456789012345,"1":1.0 }', '{ "b":123456789012345,"1":1.0 }'],
    // Digits that a double does not hold.
    ['{"id":1234567890123456789}', String.raw`{"output":"{\"id\":1234567890123456789}"}`],
    ['{"a":0.1234567890123456789}', String.raw`{"output":"{\"a\":0.1234567890123456789}"}`],
    // Words that Google reads for itself.
    ['{"output":1}', String.raw`{"output":"{\"output\":1}"}`],
    ['{"a":{"$ref":"x"}}', String.raw`{"output":"{\"a\":{\"$ref\":\"x\"}}"}`],
    ['{"a":', String.raw`{"output":"{\"a\":"}`],
  ])('the result %s', (given, response) => {
    const { body } = encode({ items: [message('user', 'a'), call('1'), output('1', given)] });
    expect(body).toContain(`"response":${response}`);
  });

  const png = 'data:image/png;base64,iVBORw0KGgo=';
  const pictured: InputPart[] = [
    { type: 'input_text', text: 'See.' },
    { type: 'input_image', image_url: png },
  ];

  test('images stand in the result where the model takes them, else behind the results', () => {
    const items = [message('user', 'a'), call('1'), call('2'), output('1', pictured), output('2')];
    const third = encode({ items });
    expect(third.warned).toEqual([]);
    expect(third.parsed.contents[2]?.parts[0].functionResponse).toEqual({
      name: 'f',
      response: { output: 'See.' },
      parts: [{ inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }],
    });
    const second = encode({ items, model: 'gemini-2.5-flash' });
    expect(geminiRefusal(second.body, 'gemini-2.5-flash')).toBeUndefined();
    expect(second.warned).toEqual(['input']);
    expect(second.parsed.contents[2]?.parts.map((part) => Object.keys(part).join())).toEqual([
      'functionResponse',
      'functionResponse',
      'text',
      'inlineData',
    ]);
  });

  test('a name that Google does not take is changed, the same for the call and its result', () => {
    const { parsed, warned } = encode({ items: [message('user', 'a'), call('1', '{}', '1 é'), output('1')] });
    expect(
      parsed.contents.flatMap(({ parts }) => parts.map((part) => (part.functionCall ?? part.functionResponse)?.name)),
    ).toEqual([undefined, '_1___f077aff7', '_1___f077aff7']);
    expect(warned).toEqual(['input']);
  });
});

describe('signatures', () => {
  const own = signatureOf(model, 'a');
  const signed = (name: string, id?: string) => ({
    functionCall: { name, args: {}, ...(id === undefined ? {} : { id }) },
    thoughtSignature: own,
  });
  const marker = from({ thoughtSignature: own });

  test('go back with the parts that bore them', () => {
    const source = `{"text":"c"},{"text":"","thoughtSignature":"${own}"}`;
    const { contents } = shown([user('a'), said('c', from(source)), user('b')]);
    expect(contents).toEqual(['user: a', `model: c | !${own}`, 'user: b']);
  });

  test('of a call go back once, whether the call has kept it or the reasoning before it', () => {
    const both = shown([user('a'), thought('r', marker), placed(call('1'), from(signed('f'))), placed(output('1'))]);
    const carried = shown([user('a'), thought('r', marker), placed(call('1')), placed(output('1'))]);
    const kept = shown([user('a'), placed(call('1'), from(signed('f'))), placed(output('1'))]);
    for (const { contents, inputTransformations } of [both, carried, kept]) {
      expect(contents).toEqual(['user: a', `model: f()!${own}`, 'user: =out 1']);
      expect(inputTransformations).toEqual([]);
    }
  });

  test('of a text that its client carries come after it, once', () => {
    const trailing = from({ text: '', thoughtSignature: own });
    const stateless = shown([user('a'), said('c'), thought('r', trailing), user('b')]);
    expect(stateless.contents).toEqual(['user: a', `model: c | !${own}`, 'user: b']);
    const stateful = shown([
      user('a'),
      said('c', from({ text: 'c', thoughtSignature: own })),
      thought('r', trailing),
      user('b'),
    ]);
    expect(stateful.contents).toEqual(['user: a', `model: c!${own}`, 'user: b']);
  });

  test('stay away from other models, which is reported, and a call has what stands in for one', () => {
    const origin = from(signed('f'), model, { upstreamCallId: '' });
    const items = [user('a'), thought('r', marker), placed(call('1'), origin), placed(output('1'))];
    const { contents, inputTransformations } = shown(items, { model: 'gemini-3-flash' });
    expect(contents).toEqual(['user: a', `model: f()!${skip}`, 'user: =out 1']);
    expect(inputTransformations).toMatchObject([{ id: 'r', action: 'removed', reason: 'model_mismatch' }]);
    // Older models ask for none.
    expect(shown(items, { model: 'gemini-2.5-flash' }).contents[1]).toBe('model: f()');
  });

  test('are the first call’s only, of calls that were made at once', () => {
    const { contents } = shown([
      user('a'),
      placed(call('1', '{}', 'f'), from(signed('f'))),
      placed(call('2', '{}', 'g'), from('')),
      placed(output('1')),
      placed(output('2')),
    ]);
    expect(contents[1]).toBe(`model: f()!${own} | g(2)`);
  });

  test('that were withheld from us are not sent', () => {
    const { inputTransformations } = encode({
      context: [user('a'), { ...thought('r', marker), withheld: 'organization_mismatch' }, user('b')],
    });
    // The origin of such an item is unknown.
    expect(inputTransformations).toEqual([]);
    const unknown = encode({ context: [user('a'), { ...thought('r'), withheld: 'organization_mismatch' }, user('b')] });
    expect(unknown.inputTransformations).toMatchObject([{ id: 'r', reason: 'organization_mismatch' }]);
  });
});

describe('ids', () => {
  test('are sent where the model gave them, and its own where the client has another', () => {
    const { contents } = shown([
      user('a'),
      placed(call('fc-1'), from('')),
      placed(call('call_2'), from('', model, { upstreamCallId: '' })),
      placed(call('call_3'), from('', model, { upstreamCallId: 'x'.repeat(65) })),
      ...['fc-1', 'call_2', 'call_3'].map((id) => placed(output(id, 'r'))),
    ]);
    expect(contents.slice(1)).toEqual([
      `model: f(fc-1)!${skip} | f() | f(${'x'.repeat(65)})`,
      `user: =fc-1r | =r | =${'x'.repeat(65)}r`,
    ]);
  });

  test('of another protocol are not', () => {
    const foreign: Origin = { protocol: 'messages', model: 'claude', source: '' };
    expect(shown([user('a'), placed(call('toolu_1'), foreign), placed(output('toolu_1'))]).contents[1]).toBe(
      `model: f()!${skip}`,
    );
  });
});

describe('any conversation', () => {
  const calls = fc.array(fc.tuple(fc.constantFrom('own', 'foreign', 'marked'), fc.constantFrom('f', 'g')), {
    minLength: 1,
    maxLength: 3,
  });
  const step = fc.oneof(
    fc.constant({ kind: 'user' as const }),
    fc.constant({ kind: 'system' as const }),
    fc.constant({ kind: 'text' as const }),
    fc.constant({ kind: 'signed' as const }),
    fc.constant({ kind: 'thought' as const }),
    fc.record({ kind: fc.constant('calls' as const), calls, late: fc.boolean(), order: fc.boolean() }),
  );

  test.each([model, 'gemini-2.5-flash'])('is one that %s takes', (target) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const own = signatureOf(target, 's');
        const context: ContextItem[] = [];
        let serial = 0;
        for (const each of steps) {
          if (each.kind === 'user') context.push(user('u'));
          else if (each.kind === 'system') context.push(placed(message('system', 's')));
          else if (each.kind === 'text') context.push(said('t'));
          else if (each.kind === 'signed') context.push(said('t', from({ text: 't', thoughtSignature: own }, target)));
          else if (each.kind === 'thought') context.push(thought('r', from({ text: 'h', thought: true }, target)));
          else {
            const answers: ContextItem[] = [];
            for (const [how, name] of each.calls) {
              const id = `c${(serial += 1)}`;
              const bare = { functionCall: { name, args: {} } };
              if (how === 'marked') context.push(thought('r', from({ thoughtSignature: own }, target)));
              const origin = how === 'own' ? from({ ...bare, thoughtSignature: own }, target) : undefined;
              context.push(placed(call(id, '{}', name), origin));
              answers.push(placed(output(id)));
            }
            if (each.order) answers.reverse();
            if (each.late) context.push(user('late'));
            context.push(...answers);
          }
        }
        context.push(user('last'));
        const { body } = encode({ context, model: target });
        expect(geminiRefusal(body, target)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
