import { decodePage } from '../protocols/responses/input-items-page.ts';
import type { KeyPage } from '../store/key-store.ts';

/** @throws GatewayError 400 with the param. */
export function adminPage(query: URLSearchParams): KeyPage {
  const { limit, after } = decodePage(query);
  return { limit, after };
}

/**
 * The list object, as JSON.
 * @param found one more than the limit where there is more.
 */
export function listText(found: { id: string }[], limit: number): string {
  const data = found.slice(0, limit);
  return JSON.stringify({
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: found.length > limit,
  });
}
