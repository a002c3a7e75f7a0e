import type { ContextItem } from '../core/items.ts';
import { isJsonObject, type JsonObject } from '../core/json-object.ts';

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

/**
 * Tokens that the input of a request has at most: one for each of its bytes, since no tokenizer makes more of a text. The bytes of
 * images and files are none: those count what they are billed as at most, be it that they are somewhere else.
 * @param body as it is sent.
 */
export function mostInputTokens(body: string, context: readonly ContextItem[], model: string): number {
  let tokens = Buffer.byteLength(body) + toolTokens;
  const count = (data: string, most: number) => {
    const base64 = data.slice(data.indexOf(',') + 1);
    // What the codec has made text of is in the body as text.
    if (base64 === '' || isUrl(data)) tokens += most;
    else if (body.includes(base64)) tokens += most - base64.length;
  };
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look);
    else if (isJsonObject(value)) {
      if (value['type'] === 'input_file') count(textOf(value, 'file_data'), fileTokens);
      else if (value['type'] === 'input_image' || value['type'] === 'computer_screenshot')
        count(textOf(value, 'image_url'), imageTokens(model));
      else Object.values(value).forEach(look);
    }
  };
  for (const { item } of context) look(item);
  return Math.min(tokens, windowTokens);
}

const isUrl = (text: string) => /^https?:/i.test(text);

function textOf(part: JsonObject, field: string): string {
  const value = part[field];
  return typeof value === 'string' ? value : '';
}
