import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { codeWord, recite, secretTool, tell, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const required = [
  'id',
  'object',
  'created_at',
  'status',
  'error',
  'incomplete_details',
  'instructions',
  'max_output_tokens',
  'model',
  'output',
  'parallel_tool_calls',
  'previous_response_id',
  'store',
  'temperature',
  'text',
  'tool_choice',
  'tools',
  'top_p',
  'truncation',
  'usage',
  'metadata',
];

const greeting = 'Answer with the single word hello.';

/** What of a response never changes, once it has ended. */
const lasting = ({ id, status, model, output, usage, tools, metadata, instructions, created_at }: any) => ({
  id,
  status,
  model,
  output,
  usage,
  tools,
  metadata,
  instructions,
  created_at,
});

async function expectGone(target: Target, id: string): Promise<void> {
  equal((await target.request('GET', `/responses/${id}`)).status, 404, 'the status of GET');
  const chained = await target.tryCreate({ previous_response_id: id, input: greeting });
  equal(chained.status, 400, 'the status of a turn that names it as its parent');
  equal(chained.body?.error?.code, 'previous_response_not_found', 'the code of that error');
}

export const responseChecks: Check[] = [
  {
    name: 'responses/object',
    reason: 'Typed clients read these fields without looking whether they are there.',
    rule: rules.object,
    async run(target) {
      const response = await target.create({ input: greeting });
      for (const field of required) expect(Object.hasOwn(response, field), `the field '${field}' is missing`);
      equal(response.object, 'response', 'object');
      equal(response.status, 'completed', 'status');
      expect(typeof response.id === 'string' && response.id.length > 0, 'id is no string');
      expect(Number.isInteger(response.created_at), 'created_at is no time in seconds');
      expect(textOf(response) !== '', 'the output holds no text');
      const { usage } = response;
      for (const field of ['input_tokens', 'output_tokens', 'total_tokens'])
        expect(Number.isInteger(usage?.[field]), `usage.${field} is no whole number`);
      equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, 'usage.total_tokens');
      expect(Number.isInteger(usage.input_tokens_details?.cached_tokens), 'usage.input_tokens_details.cached_tokens');
      expect(
        Number.isInteger(usage.output_tokens_details?.reasoning_tokens),
        'usage.output_tokens_details.reasoning_tokens is no whole number',
      );
      const ids = response.output.map(({ id }: any) => id);
      expect(
        ids.every((id: unknown) => typeof id === 'string' && id !== ''),
        'an output item has no id',
      );
      equal(new Set(ids).size, ids.length, 'the number of different item ids');
    },
  },
  {
    name: 'responses/get-equals-create',
    reason: 'What is read back later is taken for what happened.',
    rule: rules.get,
    async run(target) {
      const metadata = { purpose: 'verify', empty: '' };
      const created = await target.create({ input: greeting, metadata, instructions: 'Be brief.' });
      equal(created.metadata, metadata, 'metadata');
      const { status, body } = await target.request('GET', `/responses/${created.id}`);
      equal(status, 200, 'the status of GET');
      equal(lasting(body), lasting(created), 'the stored response');
    },
  },
  {
    name: 'responses/ids-differ',
    reason: 'An id that comes twice mixes two conversations.',
    rule: rules.object,
    async run(target) {
      const all = await Promise.all([1, 2, 3].map(() => target.create({ input: greeting })));
      equal(new Set(all.map(({ id }) => id)).size, 3, 'the number of different ids of three responses');
    },
  },
  {
    name: 'responses/delete',
    reason: 'A user who deletes something must not find it again, nor may a model.',
    rule: rules.delete,
    async run(target) {
      const { id } = await target.create({ input: greeting });
      const { status, body } = await target.request('DELETE', `/responses/${id}`);
      equal(status, 200, 'the status of DELETE');
      if (body !== undefined) equal(body.deleted, true, 'deleted');
      await expectGone(target, id);
      equal((await target.request('DELETE', `/responses/${id}`)).status, 404, 'the status of a second DELETE');
    },
  },
  {
    name: 'responses/delete-keeps-children',
    reason: 'A conversation that goes on must not break because its beginning is hidden.',
    rule: rules.state,
    async run(target) {
      const word = codeWord();
      const first = await target.create({ input: tell(word) });
      const second = await target.create({ previous_response_id: first.id, input: 'Thanks.' });
      await target.request('DELETE', `/responses/${first.id}`);
      equal((await target.request('GET', `/responses/${second.id}`)).status, 200, 'the status of GET of the child');
      const third = await target.tryCreate({ previous_response_id: second.id, input: recite });
      expect(third.status === 200 || third.status === 400, `a turn on the child answered ${third.status}`);
      if (third.status === 200)
        equal(wordsIn(textOf(third.body)), [word], 'what the model was shown of the deleted turn');
    },
  },
  {
    name: 'responses/not-stored',
    reason: '`store: false` is a promise that nothing is kept.',
    rule: rules.create,
    async run(target) {
      const response = await target.create({ input: greeting, store: false });
      equal(response.store, false, 'store');
      await expectGone(target, response.id);
    },
  },
  {
    name: 'responses/input-items',
    reason: 'Clients page through the input, and expect it in the shape that items have.',
    rule: rules.inputItems,
    async run(target) {
      const { id } = await target.create({
        input: [
          { role: 'user', content: 'one' },
          { role: 'assistant', content: 'two' },
          { role: 'user', content: greeting },
        ],
      });
      const path = `/responses/${id}/input_items`;
      const oldest = await target.request('GET', `${path}?order=asc`);
      equal(oldest.status, 200, 'the status');
      equal(oldest.body.object, 'list', 'object');
      const { data } = oldest.body;
      equal(data.length, 3, 'the number of items');
      expect(
        data.every(({ id: itemId }: any) => typeof itemId === 'string' && itemId !== ''),
        'an item has no id',
      );
      expect(Array.isArray(data[0].content), 'content was not made a list of parts');
      equal(data[0].content[0]?.text, 'one', 'the oldest text');
      const newest = await target.request('GET', path);
      equal(newest.body.data[0]?.id, data[2].id, 'the first item where no order is asked for (newest first)');
      const page = await target.request('GET', `${path}?order=asc&limit=1&after=${data[0].id}`);
      equal(
        page.body.data.map(({ id: itemId }: any) => itemId),
        [data[1].id],
        'the page of one item behind the first',
      );
      equal(page.body.has_more, true, 'has_more');
      equal(page.body.last_id, data[1].id, 'last_id');
      equal((await target.request('GET', `${path}?limit=0`)).status, 400, 'the status of limit=0');
    },
  },
  {
    name: 'responses/text-is-exact',
    reason: 'Tools and people write any character there is; a store that changes one changes the meaning.',
    rule: rules.state,
    async run(target) {
      const text = 'zero \u0000, tab \t, é, 日本語, 👩‍👩‍👧, "quotes", \\u0041, \u2028 </script> {"a":1e999}';
      const { id } = await target.create({ input: [{ role: 'user', content: [{ type: 'input_text', text }] }] });
      const { body } = await target.request('GET', `/responses/${id}/input_items`);
      equal(body?.data?.[0]?.content?.[0]?.text, text, 'the text that was read back');
    },
  },
  {
    name: 'responses/incomplete',
    reason: 'A client that is not told that its answer was cut takes half of it for the whole.',
    rule: rules.object,
    async run(target) {
      const response = await target.create({
        input: 'Write the numbers from one to three hundred in words, separated by commas.',
        max_output_tokens: 16,
      });
      equal(response.status, 'incomplete', 'status');
      equal(response.incomplete_details?.reason, 'max_output_tokens', 'incomplete_details.reason');
      const next = await target.tryCreate({ previous_response_id: response.id, input: greeting });
      equal(next.status, 200, 'the status of a turn that continues it');
    },
  },
  {
    name: 'responses/structured-output',
    reason: 'Programs parse the answer without looking.',
    rule: rules.create,
    async run(target) {
      const schema = {
        type: 'object',
        properties: { city: { type: 'string' }, sunny: { type: 'boolean' } },
        required: ['city', 'sunny'],
        additionalProperties: false,
      };
      const response = await target.create({
        input: 'Paris is sunny today. Answer with the city and whether it is sunny.',
        text: { format: { type: 'json_schema', name: 'weather', schema, strict: true } },
      });
      let value: any;
      try {
        value = JSON.parse(textOf(response));
      } catch {
        expect(false, `the text is not JSON: ${textOf(response).slice(0, 200)}`);
      }
      equal(Object.keys(value).toSorted(), ['city', 'sunny'], 'the keys of the object');
      equal([typeof value.city, typeof value.sunny], ['string', 'boolean'], 'the types of its values');
      equal(response.text?.format?.name, 'weather', 'text.format.name');
    },
  },
  {
    name: 'responses/idempotency-key',
    reason: 'A request that is repeated after a lost connection must not be paid twice.',
    rule: 'https://docs.stripe.com/api/idempotent_requests',
    async run(target) {
      const headers = { 'idempotency-key': `verify-${codeWord()}-${codeWord()}` };
      const body = { input: greeting };
      const first = await target.create(body, { headers });
      const second = await target.create(body, { headers });
      if (second.id !== first.id) throw new Skip('the server does not know Idempotency-Key');
      equal(lasting(second), lasting(first), 'the second answer');
      const other = await target.tryCreate({ input: 'something else' }, { headers });
      expect(other.status === 400 || other.status === 409, `the same key with another body answered ${other.status}`);
    },
  },
  {
    name: 'responses/input-tokens',
    reason: 'Clients cut their context by this count.',
    rule: rules.inputTokens,
    async run(target) {
      const count = async (body: object) => {
        const reply = await target.request('POST', '/responses/input_tokens', { model: target.model, ...body });
        if (reply.status === 404 || reply.status === 405) throw new Skip('the server does not count tokens');
        equal(reply.status, 200, 'the status');
        equal(reply.body.object, 'response.input_tokens', 'object');
        return reply.body.input_tokens as number;
      };
      const short = await count({ input: 'one two three' });
      const long = await count({ input: 'one two three '.repeat(200) });
      expect(short > 0 && long > short + 300, `short is ${short} tokens, two hundred times as much ${long}`);
      const { id } = await target.create({ input: 'one two three '.repeat(200) });
      const chained = await count({ previous_response_id: id, input: 'one' });
      expect(chained > short + 300, `the parent's context was not counted: ${chained} tokens`);
      const instructed = await count({ input: 'one two three', instructions: 'Be brief. '.repeat(100) });
      expect(instructed > short + 100, `the instructions were not counted: ${instructed} tokens`);
      const tools = [{ ...secretTool, description: 'It looks up secrets. '.repeat(100) }];
      const equipped = await count({ input: 'one two three', tools });
      expect(equipped > short + 100, `the tools were not counted: ${equipped} tokens`);
    },
  },
];
