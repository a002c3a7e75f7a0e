import type { StoredItem } from './stored-item.ts';

/**
 * A body as its column holds it. Most bodies begin with the id and the type, which have columns of their own for the engine to
 * look at: of those the column has the rest alone, which does not begin with a brace. It is a third of a short item.
 */

/** Nothing that JSON, or an engine, would write otherwise. */
const isPlain = /^[\w:.-]+$/;

const beginOf = (id: string, type: string) => `{"id":"${id}","type":"${type}"`;

export function bodyColumn({ id, type, body }: StoredItem): string {
  const begin = beginOf(id, type);
  return body.startsWith(begin) && isPlain.test(id) && isPlain.test(type) ? body.slice(begin.length) : body;
}

/** A body that begins otherwise is stored whole; a deleted item has none. */
export function wholeBody(id: string, type: string, body: string): string {
  return body === '' || body.startsWith('{') ? body : beginOf(id, type) + body;
}

export function wholeItem<Row extends Pick<StoredItem, 'id' | 'type' | 'body'>>(row: Row): Row {
  return { ...row, body: wholeBody(row.id, row.type, row.body) };
}

/** The same in SQL, of a row that has a body. */
export const wholeBodySql = (item: string) => `CASE substr(${item}.body, 1, 1) WHEN '{' THEN ${item}.body
    ELSE '{"id":"' || ${item}.id || '","type":"' || ${item}.type || '"' || ${item}.body END`;
