import { GatewayError } from './errors.ts';
import { isJsonObject } from './json-object.ts';
import type { TurnRequest } from './request.ts';

/**
 * Fields of OpenAI's that mean something else if an upstream that has no word for them is asked without.
 * @throws GatewayError 400 for a request that wants no answer, which would cost one, and for one whose answer may not be given
 * before it was looked at.
 */
export function refuseUnsent({ extra }: TurnRequest): void {
  const { prompt_cache_options: cache, moderation } = extra;
  if (isJsonObject(cache) && cache['prewarm'] === true) {
    const param = 'prompt_cache_options.prewarm';
    throw new GatewayError('unsupported_parameter', 'The cache of this model cannot be warmed beforehand.', { param });
  }
  const policy = isJsonObject(moderation) ? moderation['policy'] : undefined;
  for (const side of ['input', 'output']) {
    const rule = isJsonObject(policy) ? policy[side] : undefined;
    if (!isJsonObject(rule) || rule['mode'] !== 'block') continue;
    const param = `moderation.policy.${side}.mode`;
    throw new GatewayError('unsupported_value', 'Nothing is moderated with this model: it cannot be blocked.', {
      param,
    });
  }
}
