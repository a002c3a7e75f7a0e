import { isJsonObject } from '../../core/json-object.ts';
import { breakpointOrderProblem, tooManyBreakpoints } from './check-cache.ts';
import {
  blockRoleProblem,
  compactionProblem,
  contentProblem,
  duplicateIdProblem,
  duplicateResultProblem,
  isSigned,
  lateResultProblem,
  missingResultProblem,
  missingThinkingProblem,
  serverResultProblem,
  signatureProblem,
  redactedThinkingProblem,
  strayResultProblem,
  systemPlacementProblem,
  textProblem,
} from './check-conversation.ts';
import { boundProblem, combinedSchemaProblem, openObjectProblem, toolSchemaProblem } from './check-schema.ts';
import { loneSurrogateAt } from './lone-surrogate.ts';
import { findShapeProblem } from './shape.ts';
import type { ShapeProblem, ShapeProblemKind } from './shape.ts';
import type { Signer } from './signature.ts';
import { segmentsOf } from './segments.ts';
import type { Segment } from './segments.ts';
import { blocksOf, turnsOf } from './turns.ts';
import type { Turn } from './turns.ts';
import { messagesRequest } from './wire.ts';
import type { MessagesRequest } from './wire.ts';

export interface RefusedRequest {
  /** The rule that was broken. */
  number: string;
  status: number;
  type: 'invalid_request_error' | 'authentication_error' | 'not_found_error' | 'request_too_large';
  message: string;
}

export type CheckedRequest =
  | { refused: RefusedRequest }
  | { refused: undefined; request: MessagesRequest; turns: Turn[] };

/** What came in: as much of it as could be read. */
interface Submission {
  path: string;
  headers: Record<string, string>;
  body: string;
  /** Undefined: the body is no JSON. */
  value: unknown;
  shapeProblem: ShapeProblem | undefined;
  /** Undefined: the body has no shape to look into. */
  request: MessagesRequest | undefined;
  turns: Turn[];
  segments: Segment[];
  signer: Signer;
}

interface Refusal {
  rule: string;
  status?: number;
  type?: RefusedRequest['type'];
  /** The message to refuse with; undefined where the rule is kept. */
  find: (submission: Submission) => string | undefined;
}

/** Anthropic's limit on a request of the Messages API. */
const maxBodyBytes = 32 * 1024 * 1024;
const contextWindowTokens = 200_000;
export const maxOutputTokens = 64_000;
const thinkingPage = 'https://docs.claude.com/en/docs/build-with-claude/extended-thinking';

const shape = (kind: ShapeProblemKind) => (submission: Submission) =>
  submission.shapeProblem?.kind === kind ? submission.shapeProblem.message : undefined;

const request = (find: (request: MessagesRequest) => string | undefined) => (submission: Submission) =>
  submission.request === undefined ? undefined : find(submission.request);

const thinks = ({ thinking }: MessagesRequest): boolean =>
  thinking?.type === 'enabled' || thinking?.type === 'adaptive';

/**
 * Everything that the simulator refuses, as Anthropic refuses it, in the order in which it is looked for.
 * `check-request.test.ts` holds a refused and a just accepted request for each.
 * @see https://platform.claude.com/docs/en/api/errors
 */
export const refusals = {
  R1: {
    rule: 'There is one endpoint.',
    status: 404,
    type: 'not_found_error',
    find: ({ path }) => (path.split('?')[0] === '/v1/messages' ? undefined : 'Not found'),
  },
  R2: {
    rule: 'A credential is sent.',
    status: 401,
    type: 'authentication_error',
    find: ({ headers }) =>
      headers['x-api-key'] || headers['authorization'] ? undefined : 'x-api-key header is required',
  },
  R3: {
    rule: 'The API version is named.',
    find: ({ headers }) => (headers['anthropic-version'] ? undefined : 'anthropic-version: header is required'),
  },
  R4: {
    rule: 'The body is at most 32 MB.',
    status: 413,
    type: 'request_too_large',
    find: ({ body }) => (Buffer.byteLength(body) > maxBodyBytes ? 'Request exceeds the maximum size' : undefined),
  },
  R5: {
    rule: 'The body is JSON.',
    find: ({ value }) => (value === undefined ? 'The request body is not valid JSON' : undefined),
  },
  R6: {
    rule: 'No string holds half of a surrogate pair.',
    find: ({ body }) => {
      const at = loneSurrogateAt(body);
      return at === undefined
        ? undefined
        : `The request body is not valid JSON: no low surrogate in string: line 1 column ${at + 1} (char ${at})`;
    },
  },
  R7: { rule: 'Required fields are there.', find: shape('missing') },
  R8: { rule: 'Every value has its type.', find: shape('type') },
  R9: { rule: 'No field is sent that the API does not know.', find: shape('unknown-field') },
  R10: { rule: 'Roles, blocks, tools and modes are of known types.', find: shape('unknown-tag') },
  R11: { rule: 'Enumerated values are from their lists.', find: shape('literal') },
  R12: { rule: 'Numbers are within their ranges.', find: shape('range') },
  R13: { rule: 'Ids, names and user ids have the form asked for.', find: shape('pattern') },
  R14: {
    rule: 'max_tokens is at most what the model can write.',
    find: request(({ max_tokens, model }) =>
      max_tokens > maxOutputTokens
        ? `max_tokens: ${max_tokens} > ${maxOutputTokens}, which is the maximum allowed number of output tokens for ${model}`
        : undefined,
    ),
  },
  R15: {
    rule: 'There is a message.',
    find: request(({ messages }) => (messages.length === 0 ? 'messages: at least one message is required' : undefined)),
  },
  R16: {
    rule: 'A system message stands between a user and an assistant turn, or ends the conversation after a user turn.',
    find: request(systemPlacementProblem),
  },
  R17: { rule: 'Messages have content, but for a final assistant message.', find: request(contentProblem) },
  R18: { rule: 'Text is not empty, nor only white space.', find: request(textProblem) },
  R19: {
    rule: 'A final assistant message does not end in white space.',
    find: ({ turns, request }) => {
      const last = request?.compaction ? undefined : turns.at(-1);
      const block = last?.blocks.at(-1)?.block;
      return last?.role === 'assistant' && block?.type === 'text' && block.text.trimEnd() !== block.text
        ? 'messages: final assistant content cannot end with trailing whitespace'
        : undefined;
    },
  },
  R20: {
    rule: 'Blocks are in messages of the role that can hold them.',
    find: ({ turns }) => blockRoleProblem(turns),
  },
  R21: { rule: 'Ids of tool calls are unique.', find: ({ turns }) => duplicateIdProblem(turns) },
  R22: { rule: 'A result has its call in the message before.', find: ({ turns }) => strayResultProblem(turns) },
  R23: { rule: 'A call has one result.', find: ({ turns }) => duplicateResultProblem(turns) },
  R24: { rule: 'A call has its result in the next message.', find: ({ turns }) => missingResultProblem(turns) },
  R25: { rule: 'Results come first in their message.', find: ({ turns }) => lateResultProblem(turns) },
  R26: {
    rule: 'The result of a tool that Anthropic runs has its call before it.',
    find: ({ turns }) => serverResultProblem(turns),
  },
  R27: {
    rule: 'Thinking comes back as it was written, to the model that wrote it.',
    find: ({ turns, signer, request }) => signatureProblem(turns, signer, request?.model ?? ''),
  },
  R28: {
    rule: 'Redacted thinking comes back as it was written.',
    find: ({ turns, signer, request }) => redactedThinkingProblem(turns, signer, request?.model ?? ''),
  },
  R29: {
    rule: 'While a thinking budget is set, a tool loop and a prefill begin with thinking.',
    find: ({ turns, request }) => (request?.thinking?.type === 'enabled' ? missingThinkingProblem(turns) : undefined),
  },
  R30: {
    rule: 'The thinking budget is below max_tokens.',
    find: request(({ thinking, max_tokens }) =>
      thinking?.type === 'enabled' && thinking.budget_tokens >= max_tokens
        ? `\`max_tokens\` must be greater than \`thinking.budget_tokens\`. Please consult our documentation at ${thinkingPage}`
        : undefined,
    ),
  },
  R31: {
    rule: 'A model that thinks cannot be forced to call.',
    find: request((body) =>
      thinks(body) && (body.tool_choice?.type === 'any' || body.tool_choice?.type === 'tool')
        ? 'Thinking may not be enabled when tool_choice forces tool use.'
        : undefined,
    ),
  },
  R32: {
    rule: 'A model that thinks has temperature 1, no top_k, and top_p from 0.95 on.',
    find: request((body) => {
      if (!thinks(body)) return undefined;
      const { temperature = 1, top_k, top_p = 1 } = body;
      const may =
        temperature !== 1
          ? '`temperature` may only be set to 1'
          : top_k !== undefined
            ? '`top_k` must be unset'
            : top_p < 0.95
              ? '`top_p` must be greater than or equal to 0.95 or unset'
              : undefined;
      return may && `${may} when thinking is enabled. Please consult our documentation at ${thinkingPage}`;
    }),
  },
  R33: {
    rule: 'temperature and top_p exclude one another.',
    find: request(({ temperature, top_p }) =>
      temperature !== undefined && top_p !== undefined
        ? '`temperature` and `top_p` cannot both be specified for this model. Please use only one.'
        : undefined,
    ),
  },
  R34: {
    rule: 'Tool names are unique.',
    find: request(({ tools = [] }) => {
      const names = tools.flatMap((tool) => ('name' in tool ? [tool.name] : []));
      return new Set<string>(names).size < names.length ? 'tools: Tool names must be unique.' : undefined;
    }),
  },
  R35: { rule: 'The schema of a tool is one of an object.', find: request(toolSchemaProblem) },
  R36: { rule: 'The schema of a tool is no choice or sum of schemas.', find: request(combinedSchemaProblem) },
  R37: { rule: 'Objects of a strict schema name all their properties.', find: request(openObjectProblem) },
  R38: {
    rule: 'tool_choice comes with tools.',
    find: request(({ tools = [], tool_choice: choice }) =>
      choice !== undefined && choice.type !== 'none' && tools.length === 0
        ? 'tool_choice: tool_choice may only be specified while providing tools.'
        : undefined,
    ),
  },
  R39: {
    rule: 'The tool that tool_choice names is offered.',
    find: request(({ tools = [], tool_choice: choice }) =>
      choice?.type === 'tool' && !tools.some((tool) => 'name' in tool && tool.name === choice.name)
        ? `Tool '${choice.name}' not found in provided tools`
        : undefined,
    ),
  },
  R40: {
    rule: 'A history with tool calls comes with tools.',
    find: ({ request, turns }) =>
      (request?.tools ?? []).length === 0 &&
      turns.some(({ blocks }) => blocks.some(({ block }) => block.type === 'tool_use' || block.type === 'tool_result'))
        ? 'Requests which include `tool_use` or `tool_result` blocks must define tools'
        : undefined,
  },
  R41: { rule: 'There are at most four cache breakpoints.', find: ({ segments }) => tooManyBreakpoints(segments) },
  R42: { rule: 'Long-lived cache breakpoints come first.', find: ({ segments }) => breakpointOrderProblem(segments) },
  R43: {
    rule: 'Stop sequences hold more than white space.',
    find: request(({ stop_sequences = [] }) =>
      stop_sequences.every((sequence) => sequence.trim() !== '')
        ? undefined
        : 'stop_sequences: each stop sequence must contain non-whitespace',
    ),
  },
  R44: {
    rule: 'A failed tool answers in text.',
    find: ({ turns }) => {
      const failed = turns
        .flatMap((turn) => blocksOf(turn, 'tool_result'))
        .find(
          ({ block }) =>
            block.is_error === true &&
            Array.isArray(block.content) &&
            block.content.some(({ type }) => type !== 'text'),
        );
      return failed && `${failed.path}.tool_result: all content must be type "text" if "is_error" is true`;
    },
  },
  R45: {
    rule: 'Inline files are base64.',
    find: ({ turns }) => {
      const files = turns.flatMap((turn) => [...blocksOf(turn, 'image'), ...blocksOf(turn, 'document')]);
      const broken = files.find(({ block: { source } }) => source.type === 'base64' && !isBase64(source.data));
      return broken && `${broken.path}.${broken.block.type}.source.base64.data: Invalid base64 data`;
    },
  },
  R46: {
    rule: 'The prompt fits the context window.',
    find: ({ segments }) => {
      const tokens = segments.reduce((sum, segment) => sum + segment.tokens, 0);
      return tokens > contextWindowTokens
        ? `prompt is too long: ${tokens} tokens > ${contextWindowTokens} maximum`
        : undefined;
    },
  },
  R47: {
    rule: 'A conversation is compacted, and goes on from there, where the beta is asked for.',
    find: ({ headers, request, turns }) => {
      if (headers['anthropic-beta']?.includes('compact-2026-09-04') === true) return undefined;
      if (request?.compaction) return 'compaction: Extra inputs are not permitted';
      const signed = turns.flatMap((turn) => blocksOf(turn, 'compaction')).find(({ block }) => isSigned(block));
      return (
        signed && `${signed.path}: Input tag 'compaction' found using 'type' does not match any of the expected tags`
      );
    },
  },
  R48: {
    rule: 'Nothing shapes the answer of a compaction.',
    find: request((body) => {
      if (!body.compaction) return undefined;
      const { context_management, stop_sequences, output_format, output_config, tool_choice: choice } = body;
      const shaping = [
        context_management && 'context_management',
        stop_sequences && 'stop_sequences',
        (output_format ?? output_config?.format) && 'output_config.format',
        (choice?.type === 'any' || choice?.type === 'tool') && 'tool_choice',
      ].find((field) => typeof field === 'string');
      return shaping && `compaction: cannot be combined with ${shaping}`;
    }),
  },
  R49: {
    rule: 'A compaction comes back as it was made, first and alone, to the model that made it.',
    find: ({ turns, signer, request }) => compactionProblem(turns, signer, request?.model ?? ''),
  },
  R50: { rule: 'A strict schema has no bounds.', find: request(boundProblem) },
} as const satisfies Record<`R${number}`, Refusal>;

export type RefusalNumber = keyof typeof refusals;

/** @param headers with lower-case names. */
export function checkRequest(
  { path, headers, body }: { path: string; headers: Record<string, string>; body: string },
  signer: Signer,
): CheckedRequest {
  const value = parse(body);
  const shapeProblem = value === undefined ? undefined : findShapeProblem(value, messagesRequest);
  const request = value !== undefined && shapeProblem === undefined && hasShape(value) ? value : undefined;
  const turns = request === undefined ? [] : turnsOf(request);
  const segments = request === undefined ? [] : segmentsOf(request);
  const submission: Submission = { path, headers, body, value, shapeProblem, request, turns, segments, signer };
  const rules: [string, Refusal][] = Object.entries(refusals);
  for (const [number, { status = 400, type = 'invalid_request_error', find }] of rules) {
    const message = find(submission);
    if (message !== undefined) return { refused: { number, status, type, message } };
  }
  if (request === undefined) throw new Error('A body without the shape of a request was not refused.');
  return { refused: undefined, request, turns };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The tables of `wire.ts` are typed against the SDK: what they pass is what the type says. */
function hasShape(value: unknown): value is MessagesRequest {
  return isJsonObject(value);
}

/** By a look at each character: a pattern over the whole would need memory for every quartet of a file. */
function isBase64(data: string): boolean {
  return data.length > 0 && data.length % 4 === 0 && !/[^A-Za-z0-9+/=]|=[^=]|={3}/.test(data);
}
