import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import type { DecodeOptions } from '../codec.ts';
import { createPartReader } from './part-reader.ts';

/** A result of `doGenerate`, as the parts that its stream would have had. */
export function decodeResponse(body: string, options: DecodeOptions, emit: Emit): void {
  const result = parseJsonObject(body);
  try {
    if (result === undefined || !Array.isArray(result['content'])) {
      const message = "The upstream's reply holds no answer.";
      const cause = new Error(safeText(body));
      throw new GatewayError('upstream_invalid_response', message, { cause, retryable: true });
    }
    const reader = createPartReader(options);
    const { content, response, warnings, finishReason, usage } = result;
    reader.part({ type: 'stream-start', warnings }, emit);
    reader.part({ ...(isJsonObject(response) ? response : {}), type: 'response-metadata' }, emit);
    content.forEach((each: unknown, index) => {
      for (const part of partsOf(each, String(index))) reader.part(part, emit);
    });
    reader.part({ type: 'finish', finishReason, usage }, emit);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    emit({ type: 'error', error });
  }
}

function partsOf(content: unknown, id: string): JsonObject[] {
  if (!isJsonObject(content)) return [];
  const { type, text, providerMetadata, citations } = content;
  if (type !== 'text' && type !== 'reasoning') return [content];
  return [
    { type: `${type}-start`, id },
    { type: `${type}-delta`, id, delta: text },
    { type: `${type}-end`, id, providerMetadata, citations },
  ];
}
