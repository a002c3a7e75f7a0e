import { serverAddress } from './core/server-address.ts';
import { createSseParser } from './sse/parse.ts';

export interface DemoOptions {
  /** Of a running gateway. */
  url: string;
  key: string | undefined;
  /** Undefined: the simulator if it is there, else the first model of the list. */
  model: string | undefined;
  write: (text: string) => void;
}

interface Part {
  text?: string;
}

/** An item as the API gives it; each type has some of the fields. */
interface Item {
  type: string;
  role?: string;
  content?: Part[];
  summary?: Part[];
  call_id?: string;
  name?: string;
  arguments?: string;
  output?: unknown;
}

interface TurnResponse {
  id: string;
  status: string;
  output: Item[];
  error: { message: string } | null;
  usage: { input_tokens: number; output_tokens: number } | null;
}

/** An event of the stream; each type has some of the fields. */
interface StreamEvent {
  type: string;
  response?: TurnResponse;
  item?: Item;
  delta?: string;
  message?: string;
}

const tool = {
  type: 'function',
  name: 'get_weather',
  description: 'The current weather in a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', description: 'Name of the city' } },
    required: ['city'],
    additionalProperties: false,
  },
};
const question = 'What is the weather like in Paris today?';
const followUp = 'And what did I ask you first?';

/** Nothing but this program knows it: an answer that holds it comes from the tool's output. */
const weather = { celsius: 18, sky: 'clear', station: 'kestrel-4711' };

/** More rounds of tool calls than any model needs for one question. */
const maxToolRounds = 5;

/**
 * The conversation of the bug report that Turnpike was born from: a question, a tool call, its output with nothing but the
 * previous response's id, and a question about the beginning. Then what the store holds of it.
 * @see https://github.com/BerriAI/litellm/issues/26167
 * @throws Error whose message is for the user.
 */
export async function runDemo({ url, key, model: wanted, write }: DemoOptions): Promise<void> {
  const base = serverAddress(url, '--url');
  const headers = {
    'content-type': 'application/json',
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const call = (path: string, body?: object) => callGateway(base, path, headers, body);

  const model = wanted ?? pickModel(await readJson<{ data: { id: string }[] }>(await call('/v1/models')));
  write(`A conversation with ${model} at ${base}\n`);

  const ids: string[] = [];
  let previous: string | undefined;

  /** @returns the tool calls that it ended with. */
  async function turn(what: string, input: string | Item[]): Promise<Item[]> {
    write(`\nTurn ${ids.length + 1}: ${what}\n`);
    for (const item of typeof input === 'string' ? [] : input) write(`  > ${describe(item)}\n`);
    if (typeof input === 'string') write(`  > ${input}\n`);
    const chain = previous === undefined ? {} : { previous_response_id: previous };
    const answer = await call('/v1/responses', { model, tools: [tool], input, ...chain, stream: true });
    const response = await readStream(answer, write);
    ids.push(response.id);
    previous = response.id;
    return response.output.filter((item) => item.type === 'function_call');
  }

  let calls = await turn('a question, and a tool to answer it with', question);
  if (calls.length === 0) {
    throw new Error(`${model} answered without the tool, so there is no tool call to go on from; try another --model`);
  }
  for (let round = 0; calls.length > 0; round++) {
    if (round === maxToolRounds) throw new Error(`${model} did not stop calling the tool`);
    calls = await turn("only the tool's output, and the id of the turn before", calls.map(runTool));
  }
  await turn('a question about the beginning, and the id of the turn before', followUp);

  write('\nWhat the store holds\n');
  for (const [index, id] of ids.entries()) {
    const answer = await call(`/v1/responses/${id}`);
    const response = await readJson<TurnResponse>(answer);
    const input = await readJson<{ data: Item[] }>(await call(`/v1/responses/${id}/input_items?order=asc&limit=100`));
    const { usage } = response;
    write(`\nTurn ${index + 1}  ${response.id}\n`);
    write(`  status   ${response.status}\n`);
    write(`  session  ${answer.headers.get('x-turnpike-session-id') ?? 'unknown'}\n`);
    for (const item of input.data) write(`  input    ${describe(item)}\n`);
    for (const item of response.output) write(`  output   ${describe(item)}\n`);
    write(`  usage    ${usage === null ? 'unknown' : `${usage.input_tokens} tokens in, ${usage.output_tokens} out`}\n`);
    const cost = answer.headers.get('x-turnpike-cost-usd');
    write(`  cost     ${cost === null ? 'unknown: the model has no price' : `${cost} USD`}\n`);
  }
}

function pickModel({ data }: { data: { id: string }[] }): string {
  const [first] = data;
  const model = data.find(({ id }) => id === 'simulator') ?? first;
  if (model === undefined) throw new Error('the gateway lists no model; name one with --model');
  return model.id;
}

/** @throws Error for whatever is not a 200. */
async function callGateway(
  base: string,
  path: string,
  headers: Record<string, string>,
  body?: object,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(base + path, {
      headers,
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new Error(`no gateway answers at ${base}; start one with \`turnpike\`, or name it with --url`, { cause });
  }
  if (response.ok) return response;
  if (response.status === 401) {
    const sent = headers['authorization'] !== undefined;
    throw new Error(
      sent ? 'the gateway does not know this key' : 'the gateway wants a key: give --key, or set TURNPIKE_MASTER_KEY',
    );
  }
  const { error } = await readJson<{ error?: { message?: string } }>(response);
  throw new Error(`the gateway answered ${response.status} on ${path}: ${error?.message ?? 'no reason given'}`);
}

async function readJson<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (cause) {
    throw new Error(`what answers at ${response.url} is not a gateway: it does not speak JSON`, { cause });
  }
}

/** Prints the stream as it comes; the terminal event's response is the result. */
async function readStream(answer: Response, write: (text: string) => void): Promise<TurnResponse> {
  let final: TurnResponse | undefined;
  let failure: string | undefined;
  const parser = createSseParser((_event, data) => {
    if (data === '[DONE]') return;
    const event = JSON.parse(data) as StreamEvent;
    switch (event.type) {
      case 'response.created':
        write(`  response ${event.response?.id}, session ${answer.headers.get('x-turnpike-session-id')}\n`);
        break;
      case 'response.output_item.added':
        write(event.item?.type === 'function_call' ? `  < ${event.item.name} ` : `  < ${event.item?.type}: `);
        break;
      case 'response.output_text.delta':
      case 'response.reasoning_summary_text.delta':
      case 'response.function_call_arguments.delta':
        write(event.delta ?? '');
        break;
      case 'response.output_item.done':
        write('\n');
        break;
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        final = event.response;
        break;
      case 'error':
        failure = event.message;
        break;
    }
  });
  if (answer.body !== null) for await (const chunk of answer.body) parser.push(Buffer.from(chunk));
  parser.end();
  if (final === undefined) throw new Error('the stream ended without a terminal event');
  if (final.status === 'failed')
    throw new Error(`the turn failed: ${final.error?.message ?? failure ?? 'no reason given'}`);
  return final;
}

function runTool({ call_id = '', arguments: text = '{}' }: Item): Item {
  const { city = 'nowhere' } = JSON.parse(text) as { city?: string };
  return { type: 'function_call_output', call_id, output: JSON.stringify({ city, ...weather }) };
}

/** An item in one line. */
function describe(item: Item): string {
  const { type, role, name, output, content = [], summary = [] } = item;
  if (type === 'function_call') return `${type} ${name} ${item.arguments}`;
  if (type === 'function_call_output') return `${type} ${typeof output === 'string' ? output : JSON.stringify(output)}`;
  const text = [...content, ...summary].map((part) => part.text ?? '').join(' ');
  return `${role ?? type}: ${text}`.replaceAll('\n', ' ').trim();
}
