import { z } from 'zod';
import { ledgerContents } from '../core/ledger-content.ts';
import { maxUsd } from '../core/nano-usd.ts';
import { parseDuration } from './duration.ts';
import { providerNames } from './config.ts';

const text = z.string().min(1);
/** What can stand in a header as it is; catches the line feed that `$(cat file)` brings along. */
export const credential = text.regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces or line breaks');
const count = z.int().min(0);
const price = z.number().min(0);
/** USD that a key or team may spend, in no period. */
const budget = z.number().min(0).max(maxUsd);
/** A timer's longest wait is 2^31 - 1 ms. */
const milliseconds = z.int().min(1).max(2_147_483_647);

/** 32 bytes, written as 64 hexadecimal digits or as base64. */
export function decodeSecret(secret: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(secret)) return Buffer.from(secret, 'hex');
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(secret) ? Buffer.from(secret, 'base64') : undefined;
}

export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:\/\/\S+$/.test(url);
}

/** Without those that go on in plain text where the server has no TLS. `no-verify` is the driver's own. */
const sslModes = ['disable', 'require', 'verify-ca', 'verify-full', 'no-verify'];

function hasKnownSslMode({ searchParams }: URL): boolean {
  return searchParams.getAll('sslmode').every((mode) => sslModes.includes(mode));
}

/** Its messages never quote it, since it may hold a password. */
export const storeUrl = z
  .string()
  .refine(
    (url) => /^sqlite:[^\n]+$/.test(url) || (isPostgresUrl(url) && URL.canParse(url)),
    'must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE',
  )
  .refine(
    (url) => !isPostgresUrl(url) || !URL.canParse(url) || hasKnownSslMode(new URL(url)),
    `must have one of these as its sslmode: ${sslModes.join(', ')}`,
  );

/** Why an address cannot be an upstream's; undefined: it can. Never quotes it, since it may hold a password. */
export function findBaseUrlProblem(address: string): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:\/\//i.test(address)) return 'must be an http:// or https:// URL';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials; use api_key or headers';
  return /[?#]/.test(address) ? 'must not have a query or a fragment' : undefined;
}

const baseUrl = z.string().superRefine((address, context) => {
  const message = findBaseUrlProblem(address);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** Those that `requestTo` of the providers leaves out. */
const ownHeader =
  /^(host|connection|content-length|expect|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;
const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'is not a header name')
  .refine((name) => !ownHeader.test(name), 'is set by the gateway itself and cannot be configured');
const headerValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII on one line');

const hourMs = 3_600_000;
const age = z.string().refine((value) => (parseDuration(value) ?? 0) >= hourMs, {
  message: 'must be never, or a time such as 12h or 30d, an hour at least',
});

const promptCaching = z.enum(['auto', 'off']).optional();

const modelName = text.regex(/^[^*]+\*?$|^\*$/, 'can have one * only, at its end');

/** Becomes part of a host's name or of a path. */
const placeName = text.regex(/^[a-z0-9][a-z0-9-]*$/, 'must be small letters, digits and hyphens');

const modelSchema = z.strictObject({
  name: modelName,
  provider: z.enum(providerNames),
  model: text,
  base_url: baseUrl.optional(),
  api_key: credential.optional(),
  /** Whose: the caller's own. */
  credential: z.literal('client').optional(),
  headers: z.record(headerName, headerValue).optional(),
  timeouts: z
    .strictObject({
      connect_ms: milliseconds.optional(),
      first_byte_ms: milliseconds.optional(),
      idle_ms: milliseconds.optional(),
    })
    .optional(),
  weight: z.number().positive().optional(),
  /** Azure's, of addresses before /openai/v1. */
  api_version: placeName.optional(),
  /** AWS' or Google's. */
  region: placeName.optional(),
  /** Google's. */
  project: placeName.optional(),
  /** The AI SDK's, whose provider its factory makes of the settings. */
  package: text.regex(/^(?:@[a-z0-9-]+\/)?[a-z0-9][a-z0-9._-]*$/, 'must be the name of a package').optional(),
  factory: text.optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
  aws: z
    .strictObject({ access_key_id: credential, secret_access_key: credential, session_token: credential.optional() })
    .optional(),
  max_output_tokens: z.int().min(1).optional(),
  /** How the model is asked to reason. */
  reasoning: z.enum(['adaptive', 'budget', 'effort', 'none']).optional(),
  /** Anthropic: whether the gateway marks what is to be cached. */
  prompt_caching: promptCaching,
  /** USD per million tokens. */
  price: z
    .strictObject({ input: price, output: price, cache_read: price.optional(), cache_write: price.optional() })
    .optional(),
  quirks: z
    .strictObject({
      /** The field in which the upstream returns reasoning. */
      reasoning: z.enum(['none', 'reasoning_content', 'reasoning', 'reasoning_details', 'thinking']).optional(),
      max_tokens_field: z.enum(['max_tokens', 'max_completion_tokens']).optional(),
      mid_conversation_system: z.boolean().optional(),
      json_schema_output: z.boolean().optional(),
      custom_tools: z.boolean().optional(),
    })
    .optional(),
});

/** The file's shape, field by field. What spans fields is in `findConflicts`. */
export const fileSchema = z.strictObject({
  server: z
    .strictObject({
      host: text.optional(),
      port: z.int().min(0).max(65_535).optional(),
      drain_seconds: count.max(86_400).optional(),
      max_body_bytes: z.int().min(1).optional(),
      workers: z.int().min(1).max(256).optional(),
    })
    .optional(),
  store: z
    .strictObject({
      url: storeUrl.optional(),
      secret: z
        .string()
        .refine((secret) => decodeSecret(secret) !== undefined, 'must be 32 bytes: 64 hexadecimal digits, or base64')
        .optional(),
      /** `store copy` takes a process for one that runs if its heartbeat, a fifth of a lease, is not older than 15 s. */
      lease_seconds: z.int().min(1).max(60).optional(),
      timeout_ms: z.int().min(100).max(60_000).optional(),
    })
    .optional(),
  auth: z
    .strictObject({
      master_key: credential.optional(),
      keys: z
        .array(z.strictObject({ name: text, key: credential, team: text.optional(), budget_usd: budget.optional() }))
        .optional(),
      teams: z.record(text, z.strictObject({ budget_usd: budget.optional() })).optional(),
    })
    .optional(),
  models: z.array(modelSchema).optional(),
  /** Of models that do not say. */
  prompt_caching: promptCaching,
  aliases: z.record(text, text).optional(),
  background: z
    .strictObject({
      max_running: z.int().min(1).max(10_000).optional(),
      max_queued: z.int().min(1).optional(),
      events_kept_seconds: count.max(86_400).optional(),
      max_event_bytes: z.int().min(1).optional(),
    })
    .optional(),
  retention: z
    .strictObject({ content: age.optional(), metadata: age.optional() })
    // Of two ages of which one cannot be read nothing is said but that.
    .refine(
      ({ content = '30d', metadata = '400d' }) =>
        (parseDuration(content) ?? 0) <= (parseDuration(metadata) ?? Infinity),
      { path: ['metadata'], message: 'must not be shorter than content' },
    )
    .optional(),
  ledger: z.strictObject({ content: z.enum(ledgerContents).optional() }).optional(),
  files: z
    .strictObject({ max_file_bytes: z.int().min(1).optional(), max_total_bytes: z.int().min(1).optional() })
    .optional(),
  routing: z
    .strictObject({ retries: count.max(100).optional(), fallbacks: z.record(text, z.array(text)).optional() })
    .optional(),
});

export type FileConfig = z.infer<typeof fileSchema>;
export type FileModel = z.infer<typeof modelSchema>;
