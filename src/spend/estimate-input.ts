import type { ContextItem } from '../core/items.ts';
import { isJsonObject } from '../core/json-object.ts';
import type { TurnRequest } from '../core/request.ts';

/** What an image and a file are counted as: vendors count by pixels and pages, which are not looked at here. */
const imageTokens = 1000;
const fileTokens = 2000;
/** What stands around an item, or a tool, on every wire. */
const frameTokens = 4;

/** Fields that say where something is or whose it is, and that no model reads. */
const unread: ReadonlySet<string> = new Set(['id', 'type', 'status', 'call_id', 'encrypted_content', 'phase']);

/**
 * Tokens of a request's input by OpenAI's public tokenizer, for upstreams that cannot be asked. Others' tokenizers differ
 * from it by some tenths, most of all for languages other than English.
 */
export async function estimateInputTokens(
  { instructions, tools, textFormat }: Pick<TurnRequest, 'instructions' | 'tools' | 'textFormat'>,
  context: readonly ContextItem[],
): Promise<number> {
  const texts: string[] = instructions === null ? [] : [instructions];
  let tokens = frameTokens * (context.length + tools.length + 1);
  const collect = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) value.forEach(collect);
    else if (isJsonObject(value)) {
      if (value['type'] === 'input_image') tokens += imageTokens;
      else if (value['type'] === 'input_file') tokens += fileTokens;
      else for (const [key, field] of Object.entries(value)) if (!unread.has(key)) collect(field);
    }
  };
  for (const { item } of context) collect(item);
  for (const tool of tools) texts.push(JSON.stringify(tool));
  if (textFormat.type === 'json_schema') texts.push(JSON.stringify(textFormat.schema));
  return tokens + (await countTextTokens(texts.join('\n')));
}

/**
 * The tokenizer takes time that grows with the square of a word's length, and is asked about texts that clients choose: it
 * sees slices of this many characters, and of a long text so many of them, evenly spread.
 */
const sliceLength = 512;
const maxSlices = 128;

async function countTextTokens(text: string): Promise<number> {
  // 2 MB of source and 80 MB of memory, which only a gateway that estimates is to have.
  const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
  const slices = Math.ceil(text.length / sliceLength);
  const counted = Math.min(slices, maxSlices);
  let tokens = 0;
  let characters = 0;
  for (let index = 0; index < counted; index++) {
    const start = Math.floor((index * slices) / counted) * sliceLength;
    const slice = text.slice(start, start + sliceLength);
    characters += slice.length;
    tokens += countTokens(slice, { disallowedSpecial: new Set() });
  }
  return characters === 0 ? 0 : Math.ceil((tokens * text.length) / characters);
}
