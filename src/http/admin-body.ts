import type { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { isJsonObject } from '../core/json-object.ts';
import { check } from '../core/check.ts';

/**
 * A body of the admin API, which has the fields of the schema and no others.
 * @throws GatewayError 400 with the param.
 */
export function adminBody<T>(schema: z.ZodObject & z.ZodType<T>, body: unknown): T {
  if (isJsonObject(body)) {
    const name = Object.keys(body).find((key) => !Object.hasOwn(schema.shape, key));
    if (name !== undefined) {
      throw new GatewayError('unknown_parameter', `Unknown parameter: '${name.slice(0, 100)}'.`, { param: name });
    }
  }
  return check(schema, body, '');
}
