import { z } from 'zod';
import type { NativeItem } from '../../core/items.ts';
import { efforts, type Reasoning, type TextFormat } from '../../core/request.ts';
import { check } from '../../core/check.ts';
import { decodeTextFormat, textFormatKind } from './text-format.ts';

/** What a `configuration_update` item changes from its place in the conversation on. */
export interface ConfigurationUpdate {
  effort?: Reasoning['effort'];
  textFormat?: TextFormat;
}

const update = z.object({
  reasoning: z.object({ effort: z.enum(efforts).nullish() }).nullish(),
  text: z.object({ format: textFormatKind.nullish() }).nullish(),
});

/**
 * @param path where the item stands in the request.
 * @throws GatewayError (400) for what is no effort or no format.
 */
export function configurationOf(item: NativeItem, path: string): ConfigurationUpdate {
  const { reasoning, text } = check<z.infer<typeof update>>(update, item, path);
  const effort = reasoning?.effort ?? undefined;
  const format = text?.format ?? undefined;
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(format === undefined ? {} : { textFormat: decodeTextFormat(format, `${path}.text.format`) }),
  };
}
