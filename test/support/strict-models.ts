import type { ServerResponse } from 'node:http';
import { checkRequest } from '../../src/providers/simulator/check-request.ts';
import { createSigner, type Signer } from '../../src/providers/simulator/signature.ts';
import {
  type ChatAnswer,
  fakeChatModel,
  type FakeModel,
  fakeMessagesModel,
  type MessagesAnswer,
} from './fake-models.ts';
import { sendJson, type UpstreamRequest } from './fake-upstream.ts';

/** A model that answers only what its vendor would not refuse. */
export interface StrictModel<T> extends FakeModel<T> {
  /** What it has refused, in the vendor's words. */
  refusals: string[];
}

/** Anthropic's rules are the simulator's; what it thinks is to be signed by `signer`. */
export async function strictMessagesModel(
  onCleanup?: (cleanup: () => void) => void,
): Promise<StrictModel<MessagesAnswer> & { signer: Signer }> {
  const signer = createSigner('strict');
  const problemOf = ({ path, headers, text }: UpstreamRequest) => {
    const { refused } = checkRequest({ path, headers: headers as Record<string, string>, body: text }, signer);
    return refused && `${refused.number} ${refused.message}`;
  };
  const refuse = (response: ServerResponse, message: string) =>
    sendJson(response, { type: 'error', error: { type: 'invalid_request_error', message } }, 400);
  return Object.assign(strict(await fakeMessagesModel(onCleanup), problemOf, refuse), { signer });
}

export async function strictChatModel(onCleanup?: (cleanup: () => void) => void): Promise<StrictModel<ChatAnswer>> {
  const refuse = (response: ServerResponse, message: string) =>
    sendJson(response, { error: { message, type: 'invalid_request_error', param: null, code: null } }, 400);
  return strict(await fakeChatModel(onCleanup), ({ body }) => chatProblem(body), refuse);
}

function strict<T>(
  fake: FakeModel<T>,
  problemOf: (request: UpstreamRequest) => string | undefined,
  refuse: (response: ServerResponse, message: string) => void,
): StrictModel<T> {
  const { answer, ...rest } = fake;
  const model: StrictModel<T> = { ...rest, answer, refusals: [] };
  fake.answer = (request, response) => {
    const problem = problemOf(request);
    if (problem === undefined) return model.answer(request, response);
    model.refusals.push(problem);
    refuse(response, problem);
    return undefined;
  };
  return model;
}

const chatParameters = new Set(
  `frequency_penalty logit_bias logprobs max_completion_tokens max_tokens messages metadata model n parallel_tool_calls
  presence_penalty reasoning_effort response_format seed service_tier stop stream stream_options temperature tool_choice tools
  top_logprobs top_p user verbosity`.split(/\s+/),
);
const partTypes = new Set(['text', 'image_url', 'file', 'input_audio']);

interface Message {
  role: string;
  content?: string | { type: string }[] | null;
  reasoning_content?: string;
  tool_call_id?: string;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

/**
 * What OpenAI refuses on Chat Completions, and DeepSeek of what was thought: it comes back while the tool loop goes on that it
 * was thought in, all of it, and never later.
 * @see https://api-docs.deepseek.com/guides/thinking_mode
 */
function chatProblem(body: { messages?: Message[]; tools?: unknown[]; stream?: boolean }): string | undefined {
  const unknown = Object.keys(body).find((field) => !chatParameters.has(field));
  if (unknown !== undefined) return `Unrecognized request argument supplied: ${unknown}`;
  const { messages = [], tools } = body;
  if (messages.length === 0) return 'messages: must not be empty';
  if (tools?.length === 0) return 'tools: must not be empty';
  const seen = new Set<string>();
  let open: string[] = [];
  const lastUser = messages.findLastIndex(
    ({ role, content }) => role === 'user' && !JSON.stringify(content).includes('From the output of tool call'),
  );
  for (const [index, message] of messages.entries()) {
    const at = `messages.[${index}]`;
    const { role, content, tool_calls: calls, tool_call_id: id = '' } = message;
    if (role === 'tool') {
      if (!open.includes(id)) return `${at}: messages with role 'tool' must follow the message with its call '${id}'`;
      open = open.filter((each) => each !== id);
      if (typeof content !== 'string') return `${at}.content: must be a string`;
      continue;
    }
    if (open.length > 0) return `${at}: tool_call_ids did not have response messages: ${open.join(', ')}`;
    if (role === 'assistant') {
      if (typeof content !== 'string' && calls === undefined) return `${at}.content: expected a string, got null`;
      if (calls?.length === 0) return `${at}.tool_calls: must not be empty`;
      for (const call of calls ?? []) {
        if (call.id.length > 40 || seen.has(call.id)) return `${at}.tool_calls: bad or duplicate id ${call.id}`;
        seen.add(call.id);
        open.push(call.id);
      }
      if (message.reasoning_content !== undefined && index < lastUser)
        return `${at}: reasoning_content of a turn that is over`;
    } else if (typeof content === 'string') {
      if (!['system', 'developer', 'user'].includes(role)) return `${at}.role: ${role}`;
    } else if (role !== 'user' || !Array.isArray(content) || content.length === 0)
      return `${at}.content: must be a string`;
    else if (content.some(({ type }) => !partTypes.has(type))) return `${at}.content: unknown part`;
  }
  return open.length > 0 ? `tool_call_ids did not have response messages: ${open.join(', ')}` : undefined;
}
