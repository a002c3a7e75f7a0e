import { createHash } from 'node:crypto';
import { blocksOf } from './turns.ts';
import type { Turn } from './turns.ts';
import type { MessagesRequest } from './wire.ts';

/** What a search adds to an answer; `tokens` count what the model wrote of it. */
export type SearchBlock =
  /** `input` is JSON. */
  | { type: 'server_tool_use'; id: string; name: string; input: string; tokens: number }
  | { type: 'web_search_tool_result'; tool_use_id: string; content: object[]; tokens: number }
  | { type: 'text'; text: string; citation?: object };

const order = /\bsearch the web for ["“]?([^"”.?!]+)/i;
const pause = /\bpause\b/i;

/**
 * A search that Anthropic would make and pay for, where the user asks for one and the tool is offered: nothing is searched,
 * and what is found is always the same. Where the user says "pause" too, the turn is paused after it.
 */
export function searchFor(
  asked: string,
  { tools = [], tool_choice: choice }: MessagesRequest,
  turns: Turn[],
): { blocks: SearchBlock[]; isPaused: boolean } | undefined {
  const query = order.exec(asked)?.[1]?.trim();
  const isOffered = tools.some((tool) => 'name' in tool && tool.name === 'web_search' && tool.type !== 'custom');
  if (query === undefined || !isOffered || choice?.type === 'none') return undefined;
  const last = turns.at(-1);
  const found = last?.role === 'assistant' && blocksOf(last, 'web_search_tool_result').length > 0;
  const isPaused = pause.test(asked) && !found;
  const id = `srvtoolu_01${createHash('sha256').update(query).digest('hex').slice(0, 22)}`;
  const url = `https://example.com/search?q=${encodeURIComponent(query)}`;
  const title = `About ${query}`;
  const result = { type: 'web_search_result', title, url, encrypted_content: 'c2ltdWxhdGVk', page_age: null };
  const search: SearchBlock[] = [
    { type: 'server_tool_use', id, name: 'web_search', input: JSON.stringify({ query }), tokens: 8 },
    { type: 'web_search_tool_result', tool_use_id: id, content: [result], tokens: 0 },
  ];
  if (isPaused) return { blocks: search, isPaused };
  const cited_text = `${title}, from the simulator.`;
  const citation = { type: 'web_search_result_location', cited_text, url, title, encrypted_index: 'c2ltdWxhdGVk' };
  const said: SearchBlock = { type: 'text', text: `The web has a page about ${query}.`, citation };
  return { blocks: [...(found ? [] : search), said], isPaused };
}
