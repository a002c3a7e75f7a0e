import { GatewayError } from '../../core/errors.ts';
import type { Warning } from '../../core/warning.ts';
import { invalidChoice, invalidType, outOfRange } from '../../core/check.ts';

const maxSequence = 2_147_483_647;

/**
 * The query of `GET /v1/responses/{id}`.
 * @returns after which event its stream is to go on, -1 for all of it; undefined: the response itself is asked for.
 * @see https://platform.openai.com/docs/api-reference/responses/get
 */
export function decodeResume(query: URLSearchParams): { after: number; warnings: Warning[] } | undefined {
  const stream = query.get('stream') ?? 'false';
  if (stream !== 'true' && stream !== 'false') throw invalidChoice('stream', stream, ['true', 'false']);
  const given = query.get('starting_after');
  if (stream === 'false') {
    if (given === null) return undefined;
    const message = "The 'starting_after' parameter is only allowed when 'stream' is enabled.";
    throw new GatewayError('invalid_value', message, { param: 'starting_after' });
  }
  // As in a request: padding is a defence that we do not give.
  const padded = query.get('include_obfuscation') === 'true';
  const warnings = padded ? [{ param: 'include_obfuscation', message: 'Events are not padded.' }] : [];
  if (query.has('include') || query.has('include[]')) {
    warnings.push({ param: 'include', message: 'The events are those that the response was made with.' });
  }
  if (given === null) return { after: -1, warnings };
  if (!/^-?\d+$/.test(given)) throw invalidType('starting_after', 'an integer', given);
  const after = Number(given);
  if (after < 0) throw outOfRange('starting_after', after, 'below minimum', 0);
  if (after > maxSequence) throw outOfRange('starting_after', after, 'above maximum', maxSequence);
  return { after, warnings };
}
