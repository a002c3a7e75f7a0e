import { GatewayError } from './errors.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

/**
 * Fields that point at objects in the provider's account. One credential serves many tenants, and the provider cannot tell
 * them apart: who may name such an object could read another tenant's.
 */
const objectFields: ReadonlySet<string> = new Set([
  'assistant_id',
  'batch_id',
  'cached_content',
  'comparison_response_id',
  'connector_id',
  'container_id',
  'conversation_id',
  'data_sources',
  'file_id',
  'file_ids',
  'library_ids',
  'memory_store_id',
  'preset',
  'previous_message_id',
  'previous_response_id',
  'prompt_id',
  'response_id',
  'skill_id',
  'thread_id',
  'tunnel_id',
  'user_profile_id',
  'vault_id',
  'vector_store_id',
  'vector_store_ids',
  'workflow_id',
  'workspace_id',
]);

/** What is text to the provider, or a schema: names in there name nothing. */
const opaqueFields: ReadonlySet<string> = new Set([
  'annotations',
  'arguments',
  'client_metadata',
  'definition',
  'headers',
  'input_examples',
  'input_schema',
  'logprobs',
  'metadata',
  'output_schema',
  'parameters',
  'results',
  'schema',
]);

/**
 * Looks for such fields at any depth.
 * @param path of the value in the client's request.
 * @throws GatewayError 400 that names the field.
 */
export function refuseUpstreamObjects(value: unknown, path: string): void {
  if (Array.isArray(value)) {
    value.forEach((element: unknown, index) => refuseUpstreamObjects(element, `${path}[${index}]`));
    return;
  }
  if (!isJsonObject(value)) return;
  for (const [field, inner] of Object.entries(value)) {
    // Skills that Anthropic gives to everybody.
    if (field !== 'skill_id' || value['type'] !== 'anthropic') refuseField(field, inner, `${path}.${field}`);
  }
}

/** @param path with the field at its end. */
export function refuseField(field: string, value: unknown, path: string): void {
  if (value === null || value === undefined || opaqueFields.has(field)) return;
  if (objectFields.has(field) || namesObject(field, value)) throw namesShared(path);
  // A voice of the account's own: those that everybody has are told by name.
  if (field === 'voice' && isJsonObject(value) && typeof value['id'] === 'string') throw namesShared(`${path}.id`);
  refuseUpstreamObjects(value, path);
}

function namesShared(param: string): GatewayError {
  const message = `Unsupported parameter: '${param}' names an object in the account of the provider, which tenants share.`;
  return new GatewayError('unsupported_parameter', message, { param });
}

/** A container or a skill is either described or named. */
function namesObject(field: string, value: unknown): boolean {
  if (field !== 'container' && field !== 'skill') return false;
  return typeof value === 'string' || (isJsonObject(value) && typeof value['id'] === 'string');
}

/** @param extra by dotted paths, as a decoder of requests leaves them. */
export function refuseObjectsInExtra(extra: JsonObject): void {
  for (const [path, value] of Object.entries(extra)) {
    refuseField(path.slice(Math.max(path.lastIndexOf('.'), path.lastIndexOf(']')) + 1), value, path);
  }
}
