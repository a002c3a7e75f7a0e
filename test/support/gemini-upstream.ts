import type { ServerResponse } from 'node:http';
import { fakeUpstream, type FakeUpstream, sendJson, type UpstreamRequest } from './fake-upstream.ts';

// oxlint-disable-next-line no-explicit-any -- JSON of either side
type Json = any;

/** What a model of Google's answers: its parts, a text in them streamed in two halves. */
export interface GeminiAnswer {
  parts: Json[];
  finishReason?: string;
  /** Fields of the last chunk's candidate. */
  candidate?: object;
  usage?: object;
}

export interface GeminiRequest extends UpstreamRequest {
  /** As the address names it. */
  model: string;
  streamed: boolean;
}

export interface GeminiUpstream extends FakeUpstream {
  /** Undefined: it has answered by itself. */
  answer: (request: GeminiRequest, response: ServerResponse) => GeminiAnswer | undefined;
  /** What it has refused, in its own words. */
  refusals: string[];
}

/** A 400 in Google's words. */
class Refusal extends Error {}

const demand = (holds: boolean, message: string): void => {
  if (!holds) throw new Refusal(message);
};

/** The fields of each message that the API knows, by its name. */
const fields: Record<string, string> = {
  request:
    'contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent serviceTier store',
  content: 'role parts',
  part: `text thought thoughtSignature partMetadata inlineData fileData functionCall functionResponse executableCode
    codeExecutionResult toolCall toolResponse videoMetadata`,
  inlineData: 'mimeType data',
  fileData: 'mimeType fileUri',
  functionCall: 'id name args',
  functionResponse: 'id name response parts scheduling willContinue',
  executableCode: 'id language code',
  codeExecutionResult: 'id outcome output',
  toolCall: 'id toolType args',
  toolResponse: 'id toolType response',
  tool: 'functionDeclarations googleSearch codeExecution urlContext fileSearch googleMaps',
  declaration: 'name description behavior parameters parametersJsonSchema response responseJsonSchema',
  toolConfig: 'functionCallingConfig retrievalConfig includeServerSideToolInvocations',
  functionCallingConfig: 'mode allowedFunctionNames',
  generationConfig: `stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount
    maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs thinkingConfig
    mediaResolution speechConfig`,
  thinkingConfig: 'includeThoughts thinkingBudget thinkingLevel',
};

function known(message: string, value: Json): void {
  demand(typeof value === 'object' && value !== null && !Array.isArray(value), `Invalid value at '${message}'.`);
  const names = new Set(fields[message]?.split(/\s+/));
  for (const name of Object.keys(value)) {
    demand(
      names.has(name),
      `Invalid JSON payload received. Unknown name "${name}" at '${message}': Cannot find field.`,
    );
  }
}

const isThird = (model: string) => !/gemini-[12]/.test(model);

/** A signature that one model made: of no use to another. */
export const signatureOf = (model: string, of: string): string => Buffer.from(`${model} ${of}`).toString('base64');

function checkSignature(signature: string, model: string): void {
  if (signature === 'skip_thought_signature_validator') return;
  const made = Buffer.from(signature, 'base64').toString('utf8');
  demand(made.startsWith(`${model} `), 'Corrupted thought signature.');
}

const dataFields = `text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall
  toolResponse`.split(/\s+/);

function checkPart(part: Json, role: string, model: string): void {
  known('part', part);
  const data = dataFields.filter((field) => part[field] !== undefined);
  demand(data.length === 1, "contents.parts must have one initialized field of 'data'.");
  const [kind = ''] = data;
  if (kind !== 'text') known(kind, part[kind]);
  if (part.text === '')
    demand(part.thoughtSignature !== undefined, 'Unable to submit request because it has an empty text parameter.');
  if (part.thoughtSignature !== undefined) checkSignature(part.thoughtSignature, model);
  if (part.functionCall !== undefined) {
    demand(role === 'model', 'Please use a valid role: function calls are of the model.');
    demand(typeof part.functionCall.name === 'string' && part.functionCall.name !== '', 'function_call.name is empty.');
  }
  if (part.functionResponse !== undefined) {
    const { name, response, parts = [] } = part.functionResponse;
    demand(role === 'user', 'Please use a valid role: function responses are of the user.');
    demand(typeof name === 'string' && name !== '', 'function_response.name: Name cannot be empty.');
    demand(
      typeof response === 'object' && response !== null && !Array.isArray(response),
      'function_response.response: not a Struct.',
    );
    demand(parts.length === 0 || isThird(model), 'Multimodal function responses are not supported by this model.');
    for (const each of parts) known('inlineData', each.inlineData);
  }
  if (part.inlineData !== undefined) demand(/^[\w+/=-]+$/.test(part.inlineData.data), 'Base64 decoding failed.');
}

function checkContents(contents: Json[], model: string): void {
  demand(Array.isArray(contents) && contents.length > 0, 'contents is not specified');
  demand(contents[0].role === 'user', 'Please ensure that the conversation begins with a user turn.');
  const isResponse = (part: Json) => part.functionResponse !== undefined;
  // A turn begins with what a user says, results left out.
  const turnStart = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && parts.some((part: Json) => !isResponse(part)),
  );
  for (const [at, content] of contents.entries()) {
    known('content', content);
    const { role, parts } = content;
    demand(role === 'user' || role === 'model', 'Please use a valid role: user, model.');
    demand(Array.isArray(parts) && parts.length > 0, 'contents.parts must not be empty.');
    demand(contents[at - 1]?.role !== role, 'Please ensure that multiturn requests alternate between user and model.');
    for (const part of parts) checkPart(part, role, model);
    const calls = parts.flatMap((part: Json) => part.functionCall ?? []);
    const responses = parts.flatMap((part: Json) => part.functionResponse ?? []);
    if (responses.length > 0) {
      demand(
        parts.slice(0, responses.length).every(isResponse),
        'Please ensure that function response parts come first in their turn.',
      );
    }
    const asked = (contents[at - 1]?.parts ?? []).flatMap((part: Json) => part.functionCall ?? []);
    demand(
      asked.length === responses.length,
      'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
    );
    for (const [index, { id, name }] of asked.entries()) {
      demand(responses[index].name === name, `Function response ${index} is not of ${name}.`);
      demand(responses[index].id === id, `Function response ${index} has another id than its call.`);
    }
    demand(calls.length === 0 || at < contents.length - 1, 'Function calls have no responses.');
    if (calls.length === 0 || at < turnStart || !isThird(model)) continue;
    const first = parts.find((part: Json) => part.functionCall !== undefined);
    demand(
      first.thoughtSignature !== undefined,
      `Function call is missing a thought_signature in functionCall parts. function call \`${first.functionCall.name}\` , position ${at}.`,
    );
  }
}

function checkTools({ tools = [], toolConfig = {}, generationConfig = {} }: Json, model: string): void {
  const names: string[] = [];
  let hosted = 0;
  for (const tool of tools) {
    known('tool', tool);
    if (tool.functionDeclarations === undefined) hosted += 1;
    for (const declaration of tool.functionDeclarations ?? []) {
      known('declaration', declaration);
      demand(/^[a-zA-Z_][\w.:-]{0,63}$/.test(declaration.name), 'Invalid function name.');
      demand(!names.includes(declaration.name), `Duplicate function declaration found: ${declaration.name}`);
      names.push(declaration.name);
      const { parametersJsonSchema: schema } = declaration;
      demand(schema === undefined || schema.type === 'object', 'parameters schema should be of type OBJECT.');
    }
  }
  known('toolConfig', toolConfig);
  const { functionCallingConfig: calling = {}, includeServerSideToolInvocations } = toolConfig;
  known('functionCallingConfig', calling);
  const { mode, allowedFunctionNames: allowed = [] } = calling;
  demand([undefined, 'AUTO', 'ANY', 'NONE', 'VALIDATED'].includes(mode), 'Invalid value at mode.');
  demand(allowed.length === 0 || mode === 'ANY' || mode === 'VALIDATED', 'allowed_function_names needs mode ANY.');
  for (const name of allowed) demand(names.includes(name), `Function ${name} is not declared.`);
  demand(mode === undefined || names.length > 0, 'Function calling config is set without function_declarations.');
  if (hosted > 0 && names.length > 0) {
    demand(isThird(model), 'Tool use with function calling is unsupported.');
    demand(
      includeServerSideToolInvocations === true,
      'Please enable tool_config.include_server_side_tool_invocations.',
    );
  }
  if (generationConfig.responseMimeType === 'application/json' && names.length > 0) {
    demand(isThird(model), "Function calling with a response mime type: 'application/json' is unsupported");
    demand(mode !== 'ANY', 'Forced function calling with a response mime type is unsupported.');
  }
}

function checkConfig(config: Json, model: string): void {
  known('generationConfig', config);
  const { thinkingConfig: thinking = {}, responseMimeType, responseJsonSchema, responseLogprobs, logprobs } = config;
  known('thinkingConfig', thinking);
  const { thinkingLevel: level, thinkingBudget: budget } = thinking;
  demand(
    level === undefined || budget === undefined,
    'You can only set only one of thinking budget and thinking level.',
  );
  demand(level === undefined || isThird(model), 'Thinking level is not supported for this model.');
  demand(
    level === undefined || ['minimal', 'low', 'medium', 'high', 'xhigh'].includes(level),
    'Invalid thinking level.',
  );
  demand(!(/-pro/.test(model) && level === 'minimal'), 'Thinking level MINIMAL is not supported for this model.');
  demand(!(/2\.5-pro/.test(model) && budget === 0), 'Budget 0 is invalid. This model only works in thinking mode.');
  demand(Object.keys(thinking).length === 0 || !/gemini-2\.0/.test(model), 'Thinking is not enabled for this model.');
  demand(
    responseJsonSchema === undefined || responseMimeType === 'application/json',
    'response_mime_type must be application/json.',
  );
  demand(logprobs === undefined || responseLogprobs === true, 'logprobs needs response_logprobs.');
  demand((config.stopSequences ?? []).length <= 5, 'The number of stop_sequences must be at most 5.');
  const penalized = config.presencePenalty !== undefined || config.frequencyPenalty !== undefined;
  demand(!penalized || !/gemini-2\.5/.test(model), `Penalty is not enabled for models/${model}`);
}

/** What Google refuses of a body. Undefined: it takes it. */
export function geminiRefusal(text: string, model: string): string | undefined {
  try {
    demand(!/\\u[dD][89a-fA-F]/.test(text) && text.isWellFormed(), 'Invalid JSON payload received. Lone surrogate.');
    const body: Json = JSON.parse(text);
    known('request', body);
    demand([undefined, 'standard', 'flex', 'priority'].includes(body.serviceTier), 'Invalid service tier.');
    checkContents(body.contents, model);
    for (const part of body.systemInstruction?.parts ?? [{ text: 'x' }])
      demand(part.text !== '', 'empty text in system_instruction');
    demand(body.systemInstruction?.parts.length !== 0, 'system_instruction.parts must not be empty.');
    checkTools(body, model);
    checkConfig(body.generationConfig ?? {}, model);
    return undefined;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    return refusal.message;
  }
}

export const googleError = (code: number, status: string, message: string, details: object[] = []): object => ({
  error: { code, message, status, details },
});

/** Google is told in the address what others are told in the body. */
export function readGeminiPath(path: string): { model: string; method: string; streamed: boolean } {
  const [, model = '', method = '', sse] = /\/v1(?:beta)?\/models\/([^/?:]+):(\w+)(\?alt=sse)?$/.exec(path) ?? [];
  const streamed = method === 'streamGenerateContent' && sse !== undefined;
  return { model: decodeURIComponent(model), method, streamed };
}

/**
 * Gemini's API as strict as Google's own: it refuses unknown fields, a key in the address, calls and responses without each
 * other, calls of the current turn without a signature, and signatures that another model made.
 */
export async function geminiUpstream(onCleanup?: (cleanup: () => void) => void): Promise<GeminiUpstream> {
  const upstream = await fakeUpstream((received, response) => {
    const { model, method, streamed } = readGeminiPath(received.path);
    if (received.headers['x-goog-api-key'] === undefined || received.path.includes('key=')) {
      const message = "Method doesn't allow unregistered callers (callers without established identity).";
      return sendJson(response, googleError(403, 'PERMISSION_DENIED', message), 403);
    }
    if (method === 'countTokens') {
      const counted = received.body.generateContentRequest;
      const refusal = counted?.model === `models/${model}` ? undefined : 'generate_content_request.model is missing.';
      if (refusal !== undefined) return sendJson(response, googleError(400, 'INVALID_ARGUMENT', refusal), 400);
      const { contents, systemInstruction = '', tools = '' } = counted;
      const read = [contents, systemInstruction, tools].map((each) => (each === '' ? '' : JSON.stringify(each)));
      return sendJson(response, { totalTokens: Math.ceil(read.join('').length / 4) });
    }
    if (!streamed && method !== 'generateContent') {
      return sendJson(response, googleError(404, 'NOT_FOUND', 'Requested entity was not found.'), 404);
    }
    const refusal = geminiRefusal(received.text, model);
    if (refusal !== undefined) {
      fake.refusals.push(refusal);
      return sendJson(response, googleError(400, 'INVALID_ARGUMENT', refusal), 400);
    }
    const answer = fake.answer({ ...received, model, streamed }, response);
    if (answer === undefined) return;
    sendGemini(response, model, streamed, answer);
  }, onCleanup);
  const fake: GeminiUpstream = { ...upstream, refusals: [], answer: geminiEcho };
  return fake;
}

export const geminiEcho: GeminiUpstream['answer'] = ({ body, model }) => ({
  parts: [
    { text: `Re: ${lastSaid(body)}`, ...(isThird(model) ? { thoughtSignature: signatureOf(model, 'text') } : {}) },
  ],
});

/** The last text of the contents, or the last result. */
export function lastSaid({ contents }: Json): string {
  const part = contents.at(-1).parts.at(-1);
  return part.text ?? JSON.stringify(part.functionResponse?.response ?? part);
}

export const usageMetadata = {
  promptTokenCount: 25,
  cachedContentTokenCount: 5,
  candidatesTokenCount: 7,
  thoughtsTokenCount: 20,
  totalTokenCount: 52,
};

function chunkOf(model: string, parts: Json[], candidate: object, usage: object): Json {
  return {
    candidates: [{ content: { parts, role: 'model' }, ...candidate, index: 0 }],
    usageMetadata: usage,
    modelVersion: model,
    responseId: 'google-response',
  };
}

export function wholeOf(
  model: string,
  { parts, finishReason = 'STOP', candidate, usage = usageMetadata }: GeminiAnswer,
): Json {
  return chunkOf(model, parts, { finishReason, ...candidate }, usage);
}

/** The stream that Google makes of an answer: a text's signature comes at the end, on a part without a text. */
export function chunksOf(
  model: string,
  { parts, finishReason = 'STOP', candidate, usage = usageMetadata }: GeminiAnswer,
): Json[] {
  const pieces = parts.flatMap((part): Json[] => {
    if (typeof part.text !== 'string' || part.text.length < 2) return [part];
    const { text, thoughtSignature, ...rest } = part;
    const half = text.length >> 1;
    const halves = [
      { text: text.slice(0, half), ...rest },
      { text: text.slice(half), ...rest },
    ];
    return thoughtSignature === undefined ? halves : [...halves, { text: '', ...rest, thoughtSignature }];
  });
  const early = { promptTokenCount: 25, totalTokenCount: 25 };
  const chunks = pieces.map((part) => chunkOf(model, [part], {}, early));
  return [...chunks, chunkOf(model, [{ text: '' }], { finishReason, ...candidate }, usage)];
}

export function sendGemini(response: ServerResponse, model: string, streamed: boolean, answer: GeminiAnswer): void {
  if (!streamed) {
    const body = JSON.stringify(wholeOf(model, answer), null, 2);
    response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' }).end(body);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  // Google's framing.
  for (const chunk of chunksOf(model, answer)) response.write(`data: ${JSON.stringify(chunk)}\r\n\r\n`);
  response.end();
}
