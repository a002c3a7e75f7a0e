import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createGenerator } from 'ts-json-schema-generator';

const openai = new URL('../../node_modules/openai/', import.meta.url);

/** The types of OpenAI's SDK that are checked here, and the file that has them. */
const sources = {
  Response: 'resources/responses/responses.d.ts',
  ResponseStreamEvent: 'resources/responses/responses.d.ts',
  ResponseItem: 'resources/responses/responses.d.ts',
  CompactedResponse: 'resources/responses/responses.d.ts',
  InputTokenCountResponse: 'resources/responses/input-tokens.d.ts',
  Conversation: 'resources/conversations/conversations.d.ts',
  ConversationDeletedResource: 'resources/conversations/conversations.d.ts',
  ConversationItem: 'resources/conversations/items.d.ts',
  ConversationItemList: 'resources/conversations/items.d.ts',
  FileObject: 'resources/files.d.ts',
  FileDeleted: 'resources/files.d.ts',
  ErrorObject: 'resources/shared.d.ts',
  Model: 'resources/models.d.ts',
};
export type SdkType = keyof typeof sources;

interface Schema {
  definitions: Record<string, { required?: string[]; properties?: Record<string, object> }>;
}

interface Components {
  schemas: Record<string, { properties?: Record<string, object>; allOf?: { properties?: Record<string, object> }[] }>;
}

/** OpenAI sends null in these whatever its description says, and Open Responses asks for it. */
function allowNull(properties: Record<string, object>): void {
  for (const field of ['usage', 'user']) {
    const declared = properties[field];
    if (declared !== undefined) properties[field] = { anyOf: [declared, { type: 'null' }] };
  }
}

const generators = new Map<string, ReturnType<typeof createGenerator>>();

/** JSON Schema out of the types that the SDK declares: OpenAI's own description, of which the SDK is generated. */
function schemaOf(type: SdkType): Schema {
  const path = fileURLToPath(new URL(sources[type], openai));
  const tsconfig = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));
  const made =
    generators.get(path) ??
    createGenerator({ path, tsconfig, expose: 'all', skipTypeCheck: true, additionalProperties: true, topRef: true });
  generators.set(path, made);
  const schema = made.createSchema(type) as Schema;
  const response = schema.definitions['Response'];
  // The SDK adds up a response's text itself: no server sends it.
  if (response?.required !== undefined) {
    response.required = response.required.filter((field) => field !== 'output_text');
  }
  if (response?.properties !== undefined) allowNull(response.properties);
  return schema;
}

/** Of the types above, what OpenAI's public description of its API calls them, where it is another name. */
const described: Partial<Record<SdkType, string>> = {
  ResponseItem: 'ItemResource',
  CompactedResponse: 'CompactResource',
  InputTokenCountResponse: 'TokenCountsResource',
  Conversation: 'ConversationResource',
  ConversationDeletedResource: 'DeletedConversationResource',
  FileObject: 'OpenAIFile',
  FileDeleted: 'DeleteFileResponse',
  ErrorObject: 'Error',
};

/**
 * `openapi.json` of github.com/openai/openai-openapi, which is not in this repository: with its path in
 * TURNPIKE_OPENAI_OPENAPI everything is held against it in place of the SDK's types.
 */
function describedCheck(path: string): (type: SdkType) => ReturnType<Ajv['compile']> {
  const { components } = JSON.parse(readFileSync(path, 'utf8')) as { components: Components };
  const { schemas } = components;
  for (const properties of [
    schemas['ModelResponseProperties']?.properties,
    schemas['Response']?.allOf?.[2]?.properties,
  ])
    if (properties !== undefined) allowNull(properties);
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false, discriminator: false });
  ajv.addSchema({ $id: 'openapi', components });
  return (type) => ajv.compile({ $ref: `openapi#/components/schemas/${described[type] ?? type}` });
}

/** What of a value the SDK's type does not allow, a line for each place; empty: nothing. */
export type SdkCheck = (type: SdkType, value: unknown) => string[];

export function createSdkCheck(): SdkCheck {
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
  const path = process.env['TURNPIKE_OPENAI_OPENAPI'];
  const compile = path === undefined ? (type: SdkType) => ajv.compile(schemaOf(type)) : describedCheck(path);
  const checks = new Map<string, ReturnType<Ajv['compile']>>();
  const checkOf = (type: SdkType) => {
    const found = checks.get(type) ?? compile(type);
    checks.set(type, found);
    return found;
  };
  return (type, value) => {
    const check = checkOf(type);
    return check(value) ? [] : linesOf(check.errors ?? []);
  };
}

/** Of a union every branch complains: those that fail deepest in the value are of the branch that was meant. */
function linesOf(errors: readonly ErrorObject[]): string[] {
  const told = errors.filter(({ keyword, params }) => keyword !== 'anyOf' && params['allowedValue'] === undefined);
  return [...new Set(told.map(({ instancePath, message = '' }) => `${instancePath} ${message}`))].toSorted(
    (one, other) => other.split('/').length - one.split('/').length,
  );
}
