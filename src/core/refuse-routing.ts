import { GatewayError } from './errors.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

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
  'aws_role_name',
  'aws_sts_endpoint',
  'aws_web_identity_token',
  'base_url',
  'content_policy_fallbacks',
  'context_window_fallbacks',
  'custom_llm_provider',
  'litellm_params',
  'model_list',
  'user_config',
  'vertex_credentials',
] as const;

/** @throws GatewayError 400 that names the field. */
export function refuseRouting(body: JsonObject): void {
  for (const name of routingFields) refuse(body[name], name);
  refuseModels(body['tools'], 'tools');
  // Some gateways merge it into the request. Google's own has settings in it, which choose nothing.
  const { extra_body: merged } = body;
  if (!isJsonObject(merged)) return;
  for (const name of ['model', ...routingFields]) refuse(merged[name], `extra_body.${name}`);
  refuseModels(merged['tools'], 'extra_body.tools');
}

/** What the client runs calls no model; the model of `image_generation` is of images, and none that could answer. */
const toolsWithoutModel: ReadonlySet<unknown> = new Set([undefined, null, 'function', 'custom', 'image_generation']);

/**
 * A tool that the upstream runs may be another model, at that model's price.
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
 */
function refuseModels(tools: unknown, path: string): void {
  if (!Array.isArray(tools)) return;
  for (const [at, tool] of (tools as unknown[]).entries()) {
    if (!isJsonObject(tool) || toolsWithoutModel.has(tool['type'])) continue;
    refuse(tool['model'], `${path}[${at}].model`);
    // OpenRouter's
    const { parameters } = tool;
    if (isJsonObject(parameters)) refuse(parameters['model'], `${path}[${at}].parameters.model`);
  }
}

function refuse(value: unknown, param: string): void {
  if (value === undefined || value === null) return;
  const message = `Unsupported parameter: '${param}' is for the gateway to decide.`;
  throw new GatewayError('unsupported_parameter', message, { param });
}
