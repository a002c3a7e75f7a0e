import { type ContextItem, type Item, partsOf } from '../core/items.ts';
import { isJsonObject } from '../core/json-object.ts';

/**
 * More than the vendors of the protocols that are spoken bill for an image: they count by its pixels, behind a limit to which larger
 * ones are scaled. One of them counts a small model's images many times.
 * @see https://platform.openai.com/docs/guides/images-vision#calculating-costs
 * @see https://docs.anthropic.com/en/docs/build-with-claude/vision
 */
const imageTokens = (model: string) => (/gpt-4o-mini/.test(model) ? 50_000 : 10_000);
/** A file of a hundred pages, each counted as its text and its picture. */
const fileTokens = 500_000;
/** What vendors say to the model themselves where there are tools. */
const toolTokens = 1_000;
/** No model takes more of them, so that a call with more is refused and costs nothing. */
const windowTokens = 2_000_000;

interface Media {
  /** Base64; empty where it is somewhere else. */
  base64: string;
  mostTokens: number;
}

/**
 * Tokens that the input of a request has at most: one for each of its bytes, since no tokenizer makes more of a text. The bytes of
 * images and files are none, as often as there are such parts: those count what they are billed as at most, be it that they are
 * somewhere else.
 * @param body as it is sent.
 */
export function mostInputTokens(body: string, context: readonly ContextItem[], model: string): number {
  let tokens = Buffer.byteLength(body) + toolTokens;
  const media = context.flatMap(({ item }) => mediaOf(item, model));
  const sent = countStrings(body, new Set(media.map(({ base64 }) => base64)));
  for (const { base64, mostTokens } of media) {
    const left = base64 === '' ? undefined : (sent.get(base64) ?? 0);
    // What the codec has made text of is in the body as text.
    if (left === 0) continue;
    if (left !== undefined) sent.set(base64, left - 1);
    tokens += mostTokens - base64.length;
  }
  return Math.min(tokens, windowTokens);
}

/** A string of JSON, whole or behind what a data URL begins with, that may be base64. */
const base64Strings = /[",]([A-Za-z0-9+/_=-]+)"/g;

/** How often each of the wanted ones is in the text. */
function countStrings(text: string, wanted: ReadonlySet<string>): Map<string, number> {
  const counts = new Map<string, number>();
  if (wanted.size === 0) return counts;
  for (const [, found = ''] of text.matchAll(base64Strings)) {
    if (wanted.has(found)) counts.set(found, (counts.get(found) ?? 0) + 1);
  }
  return counts;
}

/** Of parts that are sent as what they are: what looks like one within a schema or a text is text. */
function mediaOf(item: Item, model: string): Media[] {
  const parts: readonly unknown[] = item.type === 'computer_call_output' ? [item['output']] : partsOf(item);
  return parts.flatMap((part) => {
    if (!isJsonObject(part)) return [];
    const isFile = part['type'] === 'input_file';
    if (!isFile && part['type'] !== 'input_image' && part['type'] !== 'computer_screenshot') return [];
    const data = part[isFile ? 'file_data' : 'image_url'];
    const isHere = typeof data === 'string' && !/^https?:/i.test(data);
    const base64 = isHere ? data.slice(data.indexOf(',') + 1) : '';
    return [{ base64, mostTokens: isFile ? fileTokens : imageTokens(model) }];
  });
}
