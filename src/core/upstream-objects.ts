import { GatewayError } from './errors.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

/**
 * Objects in the provider's account. One credential serves many tenants, and the provider cannot tell them apart: who may name
 * such an object could read another tenant's. What is not known to name none is told by its name or by what it looks like,
 * so that a field which a vendor adds tomorrow passes only where it says nothing of the kind.
 *
 * These are known to name one, whatever their value looks like.
 */
const objectFields: ReadonlySet<string> = new Set(['cached_content', 'cachedContent', 'data_sources', 'preset']);

/** They are either described or named, by a text or by an `id`. */
const describedOrNamed: ReadonlySet<string> = new Set([
  'assistant',
  'container',
  'conversation',
  'skill',
  'thread',
  'vault',
  'vector_store',
  'workflow',
]);

/** Any other name that ends so names an object, too; these name what is said in the conversation, or who says it. */
const namesById = /(?:_id|_ids|Id|Ids)$/;
const ownIds: ReadonlySet<string> = new Set([
  'approval_request_id',
  'call_id',
  'caller_id',
  'item_id',
  'request_id',
  'session_id',
  'shell_id',
  'tool_call_id',
  'tool_id',
  'tool_use_id',
  'trace_id',
  'turn_id',
  'user_id',
]);

/** What is text to the provider, or a schema: names in there name nothing. */
const opaqueFields: ReadonlySet<string> = new Set([
  'acknowledged_safety_checks',
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
  'pending_safety_checks',
  'results',
  'schema',
]);

/** What was said, and what is sealed: their words are looked at by nobody but the model, whatever they look like. */
const textFields: ReadonlySet<string> = new Set([
  'authorization',
  'authorization_token',
  'cited_text',
  'code',
  'command',
  'commands',
  'content',
  'data',
  'description',
  'diff',
  'encrypted_content',
  'file_data',
  'filename',
  'fingerprint',
  'id',
  'input',
  'instructions',
  'logs',
  'message',
  'name',
  'namespace',
  'output',
  'path',
  'prompt_cache_key',
  'queries',
  'query',
  'reason',
  'refusal',
  'result',
  'safety_identifier',
  'server_label',
  'signature',
  'status',
  'stderr',
  'stdout',
  'stop',
  'stop_sequences',
  'summary',
  'system',
  'text',
  'thinking',
  'title',
  'type',
  'user',
]);

/** As vendors write the ids of what an account holds, and the addresses of it. */
const objectIds =
  /^(?:asst|assistant|audio|batch|cntr|container|conv|eval|file|ftjob|memstore|msgbatch|pmpt|prompt|resp|run|skill|thread|upload|vault|voice|vs|vsfs|wf)[-_](?=.*\d|.{16})[\w-]+$/;
const objectAddresses =
  /^(?:arn:aws|ft:|gs:\/\/|s3:\/\/|(?:cachedContents|corpora|fileSearchStores|files|projects|tunedModels)\/)/;
/** Words, then what nobody has written by hand. */
const madeIds = /^(?:[a-z]+[-_])+(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{16,}$/;
const maxIdLength = 256;

/** A string that is not meant to be read. */
function isObject(field: string, value: string): boolean {
  if (textFields.has(field) || value.length > maxIdLength) return false;
  return objectIds.test(value) || objectAddresses.test(value) || (!ownIds.has(field) && madeIds.test(value));
}

/** The id of a thing that lies elsewhere: it says of itself what it is (`type`), or it is a feature whose name are words. */
function isElsewhere(id: unknown, { type }: JsonObject): boolean {
  if (typeof id !== 'string' || id === '') return false;
  return objectIds.test(id) || (typeof type !== 'string' && !/^[a-z]+(?:[-_][a-z]+)*$/.test(id));
}

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
    if (field === 'id' && isElsewhere(inner, value)) throw namesShared(`${path}.id`);
    // Skills that Anthropic gives to everybody.
    if (field !== 'skill_id' || value['type'] !== 'anthropic') refuseField(field, inner, `${path}.${field}`);
  }
}

/** @param path with the field at its end. */
export function refuseField(field: string, value: unknown, path: string): void {
  if (value === null || value === undefined || opaqueFields.has(field)) return;
  if (objectFields.has(field) || namesObject(field, value)) throw namesShared(path);
  if (Array.isArray(value)) value.forEach((each: unknown, index) => refuseField(field, each, `${path}[${index}]`));
  else if (typeof value !== 'string') refuseUpstreamObjects(value, path);
  else if (isObject(field, value)) throw namesShared(path);
}

export function namesShared(param: string): GatewayError {
  const message = `Unsupported parameter: '${param}' names an object in the account of the provider, which tenants share.`;
  return new GatewayError('unsupported_parameter', message, { param });
}

/** By its name; what is either described or named, by its kind. */
function namesObject(field: string, value: unknown): boolean {
  if (describedOrNamed.has(field)) return typeof value === 'string' || isElsewhere(Object(value)['id'], {});
  const isNothing = value === '' || typeof value === 'number' || (Array.isArray(value) && value.length === 0);
  return namesById.test(field) && !ownIds.has(field) && !isNothing;
}

/** @param extra by dotted paths, as a decoder of requests leaves them. */
export function refuseObjectsInExtra(extra: JsonObject): void {
  for (const [path, value] of Object.entries(extra)) {
    refuseField(path.slice(Math.max(path.lastIndexOf('.'), path.lastIndexOf(']')) + 1), value, path);
  }
}
