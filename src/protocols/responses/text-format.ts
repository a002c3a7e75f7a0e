import { z } from 'zod';
import type { JsonObject } from '../../core/json-object.ts';
import type { TextFormat } from '../../core/request.ts';
import { check, nameSchema } from '../../core/check.ts';

const jsonObject: z.ZodType<JsonObject> = z.looseObject({});

const jsonSchemaFormat = z.object({
  name: nameSchema(64),
  description: z.string().nullish(),
  schema: jsonObject,
  strict: z.boolean().nullish(),
});

/** Of which kind a format is; the rest of it is checked by `decodeTextFormat`. */
export const textFormatKind = z.object({ type: z.enum(['text', 'json_object', 'json_schema']) });

/** @param path where the format stands in the request. */
export function decodeTextFormat(format: { type: TextFormat['type'] } | undefined, path: string): TextFormat {
  if (format === undefined || format.type === 'text') return { type: 'text' };
  if (format.type === 'json_object') return { type: 'json_object' };
  const { name, description, schema, strict } = check(jsonSchemaFormat, format, path);
  const decoded = { type: format.type, name, schema, strict: strict ?? null };
  return typeof description === 'string' ? { ...decoded, description } : decoded;
}
