import { type ClientEvent, parseEvents } from './read-events.ts';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Of a stream; none of a plain answer. */
  events: ClientEvent[];
  /** A plain answer's JSON, or the response that a stream's terminal event holds. */
  // oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
  body: any;
}

export interface Client {
  request(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
  /** `POST /v1/responses`. */
  create(body: object, headers?: Record<string, string>): Promise<Answer>;
  get(id: string): Promise<Answer>;
}

/** A client of the Responses API that looks at every byte; the official ones hide what they do not know. */
export function createClient(url: string): Client {
  const request: Client['request'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const events = isStream ? parseEvents(text) : [];
    const json: unknown = isStream ? events.at(-1)?.data.response : JSON.parse(text);
    return { status: response.status, headers: response.headers, text, events, body: json };
  };
  return {
    request,
    create: (body, headers) => request('POST', '/v1/responses', body, headers),
    get: (id) => request('GET', `/v1/responses/${id}`),
  };
}
