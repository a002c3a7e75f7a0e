import { z } from 'zod';
import { type NativeItem, type NativeItemType, ofNative } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { check, invalidChoice, missing, nameSchema } from '../../core/check.ts';
import { configurationOf } from './configuration-update.ts';
import { decodeTools } from './request-tools.ts';
import { itemStatuses } from './wire.ts';

const text = z.string();
const callId = text.min(1).max(256);
const id = nameSchema(64).nullish();
const object: z.ZodType<JsonObject> = z.looseObject({});
const objects = z.array(object);
const status = z.enum(itemStatuses).nullish();
/** Of tools that OpenAI runs: they have states of their own. */
const runStatus = z.enum([...itemStatuses, 'searching', 'interpreting', 'generating', 'calling', 'failed']).nullish();
const execution = z.enum(['server', 'client']).nullish();
const search = z.object({ id, status, execution, call_id: callId.nullish() });

/** The fields that OpenAI demands of each type, and what it demands of them. */
const schemas: Record<NativeItemType, z.ZodType> = {
  file_search_call: z.object({ id, status: runStatus, queries: z.array(text) }),
  computer_call: z.object({ id, status, call_id: callId, pending_safety_checks: objects.nullish() }),
  computer_call_output: z.object({
    id,
    status: z.enum([...itemStatuses, 'failed']).nullish(),
    call_id: callId,
    output: object,
    acknowledged_safety_checks: objects.nullish(),
  }),
  web_search_call: z.object({ id, status: runStatus, action: object.nullish() }),
  tool_search_call: search,
  tool_search_output: search,
  additional_tools: z.object({ id, role: z.enum(['developer']) }),
  configuration_update: z.object({ id, reasoning: object.nullish(), text: object.nullish() }),
  compaction: z.object({ id, encrypted_content: text }),
  image_generation_call: z.object({ id, status: runStatus, result: text.nullish() }),
  code_interpreter_call: z.object({
    id,
    status: runStatus,
    container_id: text,
    code: text.nullish(),
    outputs: objects.nullish(),
  }),
  local_shell_call: z.object({
    id,
    status,
    call_id: callId,
    action: z.object({ type: z.enum(['exec']), command: z.array(text), env: object.nullish() }),
  }),
  local_shell_call_output: z.object({ id, status, call_id: callId.nullish(), output: text }),
  shell_call: z.object({
    id,
    status,
    call_id: callId,
    action: z.object({ commands: z.array(text) }),
    environment: object.nullish(),
  }),
  shell_call_output: z.object({
    id,
    status,
    call_id: callId,
    output: z.array(z.object({ stdout: text, stderr: text, outcome: object })),
  }),
  apply_patch_call: z.object({ id, status, call_id: callId, operation: object }),
  apply_patch_call_output: z.object({
    id,
    status: z.enum(['completed', 'failed']),
    call_id: callId,
    output: text.nullish(),
  }),
  mcp_list_tools: z.object({ id, server_label: text, tools: objects }),
  mcp_approval_request: z.object({ id, server_label: text, name: text, arguments: text }),
  mcp_approval_response: z.object({ id, approval_request_id: text, approve: z.boolean(), reason: text.nullish() }),
  mcp_call: z.object({ id, status: runStatus, server_label: text, name: text, arguments: text }),
  program: z.object({ id, call_id: callId, code: text, fingerprint: text }),
  program_output: z.object({ id, status, call_id: callId, result: text }),
};

/** A type that OpenAI has added since. */
const unknownItem = z.object({ id, status: text.nullish() });

const update = z.object({ type: z.enum(['create_file', 'update_file']), path: text, diff: text });
const deletion = z.object({ type: z.enum(['delete_file']), path: text });
const operationTypes = ['create_file', 'update_file', 'delete_file'] as const;

/** The client's object, every field kept, with an id: '' where the turn is to mint one. */
export function decodeNativeItem(type: NativeItemType, raw: JsonObject, path: string): NativeItem {
  check(ofNative(schemas, type) ?? unknownItem, raw, path);
  if (type === 'apply_patch_call') checkOperation(raw['operation'], `${path}.operation`);
  if (type === 'configuration_update') configurationOf({ ...raw, type, id: '' }, path);
  // Tools that a client brings with an item are tools like any other; what is unknown in them stays in the item.
  if (type === 'additional_tools' || type === 'tool_search_output') {
    if (raw['tools'] === undefined) throw missing(`${path}.tools`);
    decodeTools(raw['tools'], {}, `${path}.tools`);
  }
  const item: NativeItem = { ...raw, type, id: typeof raw['id'] === 'string' ? raw['id'] : '' };
  // The reference's shape of this one item calls the call's id `id`, the guide's calls it `call_id`.
  if (type === 'local_shell_call_output' && typeof raw['call_id'] !== 'string') {
    if (item.id === '') throw missing(`${path}.call_id`);
    return { ...item, id: '', call_id: item.id };
  }
  return item;
}

function checkOperation(operation: unknown, path: string): void {
  const type = isJsonObject(operation) ? operation['type'] : undefined;
  if (type === undefined) throw missing(`${path}.type`);
  if (!operationTypes.some((known) => known === type)) throw invalidChoice(`${path}.type`, type, operationTypes);
  check<unknown>(type === 'delete_file' ? deletion : update, operation, path);
}
