import { invalidType, tooLong } from './check.ts';
import { GatewayError } from './errors.ts';
import { isJsonObject } from './json-object.ts';

/** By hand, because zod's records leave `__proto__` out, and a key may be any string. */
export function decodeMetadata(metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (!isJsonObject(metadata)) throw invalidType('metadata', 'an object', metadata);
  const entries = Object.entries(metadata);
  if (entries.length > 16) {
    const message = `Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with ${entries.length} properties instead.`;
    throw new GatewayError('array_above_max_length', message, { param: 'metadata' });
  }
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (key.length > 64) throw tooLong('metadata', 'property name', 64, key.length);
      if (typeof value !== 'string') throw invalidType(`metadata.${key}`, 'a string', value);
      if (value.length > 512) throw tooLong(`metadata.${key}`, 'string', 512, value.length);
      return [key, value];
    }),
  );
}
