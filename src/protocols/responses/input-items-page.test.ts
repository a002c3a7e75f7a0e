import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { decodePage, inputItemsPage } from './input-items-page.ts';

interface List {
  object: string;
  data: { id: string }[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

const itemsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `i_${index}`, body: `{"id":"i_${index}"}` }));

test('pages, followed by last_id, give every item once and in order', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 100 }), fc.constantFrom('asc', 'desc'), (count, limit, order) => {
      const items = itemsOf(count);
      const seen: string[] = [];
      let after: string | undefined;
      let more = true;
      while (more) {
        const list: List = JSON.parse(inputItemsPage(items, { limit, order, after }));
        expect(list.object).toBe('list');
        expect(list.data.length).toBeLessThanOrEqual(limit);
        expect(list.first_id).toBe(list.data[0]?.id ?? null);
        expect(list.last_id).toBe(list.data.at(-1)?.id ?? null);
        seen.push(...list.data.map(({ id }) => id));
        after = list.last_id ?? undefined;
        more = list.has_more;
        expect(more).toBe(seen.length < count);
      }
      const ids = items.map(({ id }) => id);
      expect(seen).toEqual(order === 'asc' ? ids : ids.toReversed());
    }),
  );
});

test('bodies are spliced, not parsed', () => {
  const body = '{"id":"i", "n":1e400,"n":18446744073709551616}';
  expect(inputItemsPage([{ id: 'i', body }], decodePage(new URLSearchParams()))).toBe(
    `{"object":"list","data":[${body}],"first_id":"i","last_id":"i","has_more":false}`,
  );
});

test.each([
  ['', { limit: 20, order: 'desc', after: undefined }],
  ['limit=1&order=asc&after=i_2', { limit: 1, order: 'asc', after: 'i_2' }],
  ['limit=100', { limit: 100, order: 'desc', after: undefined }],
  [
    'limit=0',
    "integer_out_of_range limit Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
  ],
  [
    'limit=101',
    "integer_out_of_range limit Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
  ],
  [
    'limit=-3',
    "integer_out_of_range limit Invalid 'limit': integer below minimum value. Expected a value >= 1, but got -3 instead.",
  ],
  ['limit=x', "invalid_type limit Invalid type for 'limit': expected an integer, but got a string instead."],
  ['limit=', "invalid_type limit Invalid type for 'limit': expected an integer, but got a string instead."],
  ['order=up', "invalid_value order Invalid value: 'up'. Supported values are: 'asc' and 'desc'."],
  ['after=nobody', "invalid_value after Invalid 'after': there is no item with this id in the list."],
])('?%s', (query, expected) => {
  const read = () => {
    try {
      const page = decodePage(new URLSearchParams(query));
      inputItemsPage(itemsOf(3), page);
      return page;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return `${error.code} ${error.param} ${error.message}`;
    }
  };
  expect(read()).toEqual(expected);
});
