import { GatewayError } from './errors.ts';
import type { JsonObject } from './json-object.ts';

/**
 * What would take a request past the gateway's own choice of model and credential, and so past its prices and budgets. Some
 * upstreams are gateways themselves, and a field that we have no word for goes up to them as it is.
 */
const routingFields = [
  /** @see https://platform.claude.com/docs/en/api/messages */
  'fallbacks',
  'fallback_credit_token',
  'billing_policy',
  /** OpenRouter's, where plugins run other models too. @see https://openrouter.ai/docs/guides/routing/provider-selection */
  'models',
  'route',
  'provider',
  'plugins',
  /** @see https://vercel.com/docs/ai-gateway/models-and-providers/provider-options */
  'providerOptions',
  /** LiteLLM's. @see https://docs.litellm.ai/docs/proxy/clientside_auth */
  'api_base',
  'api_key',
  'base_url',
  'content_policy_fallbacks',
  'context_window_fallbacks',
  'custom_llm_provider',
  'model_list',
  'user_config',
] as const;

/** @throws GatewayError 400 that names the field. */
export function refuseRouting(body: JsonObject): void {
  for (const name of routingFields) {
    if (body[name] === undefined || body[name] === null) continue;
    const message = `Unsupported parameter: '${name}' is for the gateway to decide.`;
    throw new GatewayError('unsupported_parameter', message, { param: name });
  }
}
