import type * as sdk from '@anthropic-ai/sdk/resources/beta/messages/messages';
import {
  any,
  boolean,
  dictionary,
  integer,
  list,
  literal,
  nullable,
  number,
  object,
  optional,
  string,
  stringOr,
  tagged,
} from './shape.ts';
import type { Shape } from './shape.ts';

/**
 * Fields that the SDK's newest types no longer name, because the newest models refuse them; every model up to Opus 4.6
 * takes them, and a client of any protocol may send them, so the simulator does as those models do.
 */
interface SamplingFields {
  temperature?: number;
  top_p?: number;
  top_k?: number;
}

/** A body of `POST /v1/messages`, beta fields included. What the SDK sends as headers is left out. */
export type MessagesRequest = Omit<sdk.MessageCreateParamsBase, 'betas' | 'user_profile_id' | 'workspace_id'> &
  SamplingFields;

export type ContentBlock = sdk.BetaContentBlockParam;

/** Like Anthropic's, these patterns say what an id or a name may consist of. */
const toolUseId: Shape = { kind: 'string', pattern: /^[a-zA-Z0-9_-]+$/ };
const serverToolUseId: Shape = { kind: 'string', pattern: /^srvtoolu_[a-zA-Z0-9_]+$/ };
const toolName: Shape = { kind: 'string', pattern: /^[a-zA-Z0-9_-]{1,128}$/ };

const effort = literal('low', 'medium', 'high', 'xhigh', 'max');
const cacheControl = tagged<sdk.BetaCacheControlEphemeral>('type', {
  ephemeral: { type: any, ttl: optional(literal('5m', '1h')) },
});
const citationsConfig = object<sdk.BetaCitationsConfigParam>({ enabled: optional(boolean) });

const textFields = {
  type: any,
  text: string,
  cache_control: nullable(cacheControl),
  citations: nullable(list(dictionary)),
};
const imageFields = {
  type: any,
  source: tagged<sdk.BetaImageBlockParam['source']>('type', {
    base64: { type: any, data: string, media_type: literal('image/jpeg', 'image/png', 'image/gif', 'image/webp') },
    url: { type: any, url: string },
    file: { type: any, file_id: string },
  }),
  cache_control: nullable(cacheControl),
  transformations: nullable(
    object<sdk.BetaImageTransformationsParam>({ oversized_image: optional(literal('downsize', 'error')) }),
  ),
};
const textBlock = tagged<sdk.BetaTextBlockParam>('type', { text: textFields });
const documentFields = {
  type: any,
  source: tagged<sdk.BetaRequestDocumentBlock['source']>('type', {
    base64: { type: any, data: string, media_type: literal('application/pdf') },
    text: { type: any, data: string, media_type: literal('text/plain') },
    content: {
      type: any,
      content: stringOr(
        list(tagged<sdk.BetaContentBlockSourceContent>('type', { text: textFields, image: imageFields })),
      ),
    },
    url: { type: any, url: string },
    file: { type: any, file_id: string },
  }),
  cache_control: nullable(cacheControl),
  citations: nullable(citationsConfig),
  context: nullable(string),
  title: nullable(string),
};
const searchResultFields = {
  type: any,
  content: list(textBlock),
  source: string,
  title: string,
  cache_control: nullable(cacheControl),
  citations: optional(citationsConfig),
};
const toolChangeFields = { type: any, tool: dictionary, cache_control: nullable(cacheControl) };
/** Results of tools that Anthropic runs: their insides are its own, and come back as they were given. */
const serverResultFields = { type: any, tool_use_id: string, content: any, cache_control: nullable(cacheControl) };

const contentBlock = tagged<ContentBlock>('type', {
  text: textFields,
  image: imageFields,
  document: documentFields,
  search_result: searchResultFields,
  thinking: { type: any, thinking: string, signature: string },
  redacted_thinking: { type: any, data: string },
  tool_use: {
    type: any,
    id: toolUseId,
    name: toolName,
    input: dictionary,
    cache_control: nullable(cacheControl),
    caller: optional(dictionary),
    toolset_name: nullable(string),
  },
  tool_result: {
    type: any,
    tool_use_id: toolUseId,
    content: optional(
      stringOr(
        list(
          tagged<sdk.BetaToolResultContentBlockParam>('type', {
            text: textFields,
            image: imageFields,
            document: documentFields,
            search_result: searchResultFields,
            tool_reference: { type: any, tool_name: string, cache_control: nullable(cacheControl) },
            browser_state: {
              type: any,
              tabs: list(dictionary),
              cache_control: nullable(cacheControl),
              state_changes: nullable(list(dictionary)),
            },
          }),
        ),
      ),
    ),
    is_error: optional(boolean),
    cache_control: nullable(cacheControl),
    toolset_name: nullable(string),
  },
  server_tool_use: {
    type: any,
    id: serverToolUseId,
    name: string,
    input: dictionary,
    cache_control: nullable(cacheControl),
    caller: optional(dictionary),
  },
  web_search_tool_result: { ...serverResultFields, caller: optional(dictionary) },
  web_fetch_tool_result: { ...serverResultFields, caller: optional(dictionary) },
  advisor_tool_result: serverResultFields,
  code_execution_tool_result: serverResultFields,
  bash_code_execution_tool_result: serverResultFields,
  text_editor_code_execution_tool_result: serverResultFields,
  tool_search_tool_result: serverResultFields,
  mcp_tool_use: {
    type: any,
    id: string,
    input: dictionary,
    name: string,
    server_name: string,
    cache_control: nullable(cacheControl),
  },
  mcp_tool_result: {
    type: any,
    tool_use_id: string,
    cache_control: nullable(cacheControl),
    content: optional(stringOr(list(textBlock))),
    is_error: optional(boolean),
  },
  mcp_tool_listing: { type: any, mcp_server_name: string, tools: list(dictionary) },
  container_upload: { type: any, file_id: string, cache_control: nullable(cacheControl) },
  compaction: {
    type: any,
    cache_control: nullable(cacheControl),
    content: nullable(string),
    encrypted_content: nullable(string),
    signature: nullable(string),
    tool_changes: nullable(list(dictionary)),
  },
  tool_addition: toolChangeFields,
  tool_removal: toolChangeFields,
  fallback: { type: any, from: dictionary, to: dictionary, trigger: nullable(any) },
});

const toolFields = {
  type: any,
  allowed_callers: optional(
    list(literal('direct', 'code_execution_20250825', 'code_execution_20260120', 'code_execution_20260521')),
  ),
  cache_control: nullable(cacheControl),
  defer_loading: optional(boolean),
  strict: optional(boolean),
};
const toolFieldsWithExamples = { ...toolFields, input_examples: optional(list(dictionary)) };
const bash = { ...toolFieldsWithExamples, name: literal('bash') };
const codeExecution = { ...toolFields, name: literal('code_execution') };
const computer = {
  ...toolFieldsWithExamples,
  name: literal('computer'),
  display_height_px: integer(1),
  display_width_px: integer(1),
  display_number: nullable(integer(0)),
};
const editor = { ...toolFieldsWithExamples, name: literal('str_replace_editor') };
const editTool = { ...toolFieldsWithExamples, name: literal('str_replace_based_edit_tool') };
const webTool = {
  ...toolFields,
  allowed_domains: nullable(list(string)),
  blocked_domains: nullable(list(string)),
  max_uses: nullable(integer(1)),
};
const webSearch = { ...webTool, name: literal('web_search'), user_location: nullable(dictionary) };
const webFetch = {
  ...webTool,
  name: literal('web_fetch'),
  citations: nullable(citationsConfig),
  max_content_tokens: nullable(integer(1)),
  url_sources: nullable(dictionary),
};
const inclusion = { response_inclusion: optional(literal('full', 'excluded')) };
const useCache = { use_cache: optional(boolean) };
const bm25 = { ...toolFields, name: literal('tool_search_tool_bm25') };
const regex = { ...toolFields, name: literal('tool_search_tool_regex') };
const toolset = { type: any, cache_control: nullable(cacheControl), configs: nullable(dictionary) };

const tool = tagged<sdk.BetaToolUnion>(
  'type',
  {
    custom: {
      ...toolFieldsWithExamples,
      name: toolName,
      input_schema: dictionary,
      description: optional(string),
      eager_input_streaming: nullable(boolean),
      type: nullable(any),
    },
    bash_20241022: bash,
    bash_20250124: bash,
    code_execution_20250522: codeExecution,
    code_execution_20250825: codeExecution,
    code_execution_20260120: codeExecution,
    code_execution_20260521: codeExecution,
    browser_toolset_20260801: toolset,
    computer_20241022: computer,
    computer_20250124: computer,
    computer_20251124: { ...computer, enable_zoom: optional(boolean) },
    computer_toolset_20260801: toolset,
    memory_20250818: { ...toolFieldsWithExamples, name: literal('memory') },
    text_editor_20241022: editor,
    text_editor_20250124: editor,
    text_editor_20250429: editTool,
    text_editor_20250728: { ...editTool, max_characters: nullable(integer(1)) },
    web_search_20250305: webSearch,
    web_search_20260209: webSearch,
    web_search_20260318: { ...webSearch, ...inclusion },
    web_fetch_20250910: webFetch,
    web_fetch_20260209: webFetch,
    web_fetch_20260309: { ...webFetch, ...useCache },
    web_fetch_20260318: { ...webFetch, ...useCache, ...inclusion },
    advisor_20260301: {
      ...toolFields,
      name: literal('advisor'),
      model: string,
      caching: nullable(cacheControl),
      max_tokens: nullable(integer(1)),
      max_uses: nullable(integer(1)),
    },
    tool_search_tool_bm25: bm25,
    tool_search_tool_bm25_20251119: bm25,
    tool_search_tool_regex: regex,
    tool_search_tool_regex_20251119: regex,
    mcp_toolset: {
      type: any,
      mcp_server_name: string,
      cache_control: nullable(cacheControl),
      configs: nullable(dictionary),
      default_config: optional(dictionary),
      tools: nullable(list(dictionary)),
    },
  },
  'custom',
);

const thinkingDisplay = {
  block_binding: nullable(dictionary),
  display: nullable(literal('summarized', 'omitted', 'updates')),
};
const format = tagged<sdk.BetaJSONOutputFormat>('type', { json_schema: { type: any, schema: dictionary } });
const parallelSwitch = { disable_parallel_tool_use: optional(boolean) };

/**
 * The whole body, down to the depth at which its insides are the client's or Anthropic's own.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export const messagesRequest: Shape = object<MessagesRequest>({
  model: string,
  max_tokens: integer(0),
  messages: list(
    tagged<sdk.BetaMessageParam, 'role'>('role', {
      user: { role: any, content: stringOr(list(contentBlock)) },
      assistant: { role: any, content: stringOr(list(contentBlock)) },
      system: {
        role: any,
        clear_at: nullable(literal('next_user_message', 'never')),
        content: optional(
          stringOr(
            list(
              tagged<sdk.BetaTextBlockParam | sdk.BetaRequestToolAdditionBlock | sdk.BetaRequestToolRemovalBlock>(
                'type',
                {
                  text: textFields,
                  tool_addition: toolChangeFields,
                  tool_removal: toolChangeFields,
                },
              ),
            ),
          ),
        ),
        output_config: nullable(object<sdk.BetaSystemMessageOutputConfig>({ effort: nullable(effort) })),
      },
    }),
  ),
  system: optional(stringOr(list(textBlock))),
  stream: optional(boolean),
  stop_sequences: optional(list(string)),
  temperature: optional(number(0, 1)),
  top_p: optional(number(0, 1)),
  top_k: optional(integer(0)),
  metadata: optional(object<sdk.BetaMetadata>({ user_id: nullable({ kind: 'string', maxLength: 256 }) })),
  thinking: optional(
    tagged<sdk.BetaThinkingConfigParam>('type', {
      enabled: { type: any, budget_tokens: integer(1024), ...thinkingDisplay },
      adaptive: { type: any, ...thinkingDisplay },
      disabled: { type: any },
      between_tools: { type: any },
    }),
  ),
  tools: optional(list(tool)),
  tool_choice: optional(
    tagged<sdk.BetaToolChoice>('type', {
      auto: { type: any, ...parallelSwitch },
      any: { type: any, ...parallelSwitch },
      tool: { type: any, name: string, ...parallelSwitch },
      none: { type: any },
    }),
  ),
  output_config: optional(
    object<sdk.BetaOutputConfig>({
      effort: nullable(effort),
      format: nullable(format),
      task_budget: nullable(
        tagged<sdk.BetaTokenTaskBudget>('type', {
          tokens: { type: any, total: integer(1), remaining: nullable(integer(0)) },
        }),
      ),
    }),
  ),
  output_format: nullable(format),
  cache_control: nullable(cacheControl),
  service_tier: optional(literal('auto', 'standard_only')),
  speed: nullable(literal('standard', 'fast')),
  context_management: nullable(
    object<sdk.BetaContextManagementConfig>({
      edits: optional(
        list(
          tagged<NonNullable<sdk.BetaContextManagementConfig['edits']>[number]>('type', {
            clear_tool_uses_20250919: {
              type: any,
              clear_at_least: nullable(dictionary),
              clear_tool_inputs: nullable(any),
              exclude_tools: nullable(list(string)),
              keep: optional(dictionary),
              trigger: optional(dictionary),
            },
            clear_thinking_20251015: { type: any, keep: optional(stringOr(dictionary)) },
            compact_20260112: {
              type: any,
              instructions: nullable(string),
              pause_after_compaction: optional(boolean),
              trigger: nullable(dictionary),
            },
          }),
        ),
      ),
    }),
  ),
  mcp_servers: optional(
    list(
      tagged<sdk.BetaRequestMCPServerURLDefinition>('type', {
        url: {
          type: any,
          name: string,
          url: string,
          authorization_token: nullable(string),
          tool_configuration: nullable(dictionary),
        },
      }),
    ),
  ),
  container: nullable(stringOr(dictionary)),
  inference_geo: nullable(string),
  compaction: nullable(
    tagged<sdk.BetaCompactionConfig>('type', { summarize: { type: any, instructions: nullable(string) } }),
  ),
  diagnostics: nullable(dictionary),
  billing_policy: nullable(dictionary),
  fallback_credit_token: nullable(stringOr(dictionary)),
  fallbacks: nullable(stringOr(list(dictionary))),
  thread: nullable(dictionary),
});
