/** Faults of a server, put into what passes between it and `verify`. */

// oxlint-disable no-explicit-any -- whatever passes is looked at

export interface Call {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: any;
}

export interface Passed {
  status: number;
  text: string;
  isStream: boolean;
}

export interface Fault {
  /** Before the call reaches the server. A reply: it never does. */
  call?(call: Call): Passed | undefined | void;
  reply?(passed: Passed, call: Call): void;
  /** A WebSocket's message, on its way to the server. Undefined: it passes. */
  message?(text: string): Message | undefined;
  /** The server was started again. */
  restart?(): void;
}

interface Message {
  /** What the server gets; undefined: nothing. */
  pass?: string;
  answer?: object;
  close?: boolean;
}

export interface Mutant {
  name: string;
  /** The check that must fail. */
  caughtBy: string;
  make: () => Fault;
}

const json = (body: unknown, status = 200): Passed => ({ status, text: JSON.stringify(body), isStream: false });
const isCreate = ({ method, path }: Call) => method === 'POST' && path === '/v1/responses';
const isGet = ({ method, path }: Call) => method === 'GET' && /^\/v1\/responses\/[^/?]+$/.test(path);
const isConversation = ({ path }: Call) => path.startsWith('/v1/conversations/');
const isCompact = ({ path }: Call) => path === '/v1/responses/compact';
const isItems = ({ path }: Call) => /\/input_items/.test(path);

/** A fault in the events of streams. */
const inEvents =
  (change: (events: any[]) => any[]): (() => Fault) =>
  () => ({
    reply(passed) {
      if (!passed.isStream) return;
      const events = passed.text.match(/^data: \{.*$/gm)?.map((line) => JSON.parse(line.slice(6))) ?? [];
      passed.text = `${change(events)
        .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
        .join('')}data: [DONE]\n\n`;
    },
  });

/** A fault in plain answers. */
const inBody =
  (applies: (call: Call) => boolean, change: (body: any, call: Call, passed: Passed) => void): (() => Fault) =>
  () => ({
    reply(passed, call) {
      if (passed.isStream || !applies(call)) return;
      const body = JSON.parse(passed.text);
      change(body, call, passed);
      passed.text = JSON.stringify(body);
    },
  });

/** A fault in requests to create a response. */
const inCreate =
  (change: (body: any) => void): (() => Fault) =>
  () => ({
    call(call) {
      if (isCreate(call)) change(call.body);
    },
  });

/** A fault in the messages that create a response over a WebSocket. */
const inMessage =
  (change: (body: any) => void): (() => Fault) =>
  () => ({
    message(text) {
      const body = /^\{.*"response\.create"/.test(text) ? JSON.parse(text) : undefined;
      if (body === undefined) return undefined;
      change(body);
      return { pass: JSON.stringify(body) };
    },
  });

/** A fault in the addresses of requests. */
const inPath =
  (change: (path: string) => string): (() => Fault) =>
  () => ({
    call(call) {
      call.path = change(call.path);
    },
  });

/** A wall that is missing on some calls. */
const withoutOwner =
  (applies: (call: Call) => boolean): (() => Fault) =>
  () => ({
    call(call) {
      if (applies(call)) call.headers['authorization'] = 'Bearer sk-test-master';
    },
  });

/** Refuses some turns before they reach the server. */
const refusing =
  (applies: (body: any) => boolean): (() => Fault) =>
  () => ({
    call: (call) => (isCreate(call) && applies(call.body) ? refusal() : undefined),
  });

const refusal = (code: string | null = null, status = 400) =>
  json({ error: { message: 'It cannot be.', type: 'invalid_request_error', param: null, code } }, status);

const firstInput = (body: any) => (Array.isArray(body?.input) ? body.input[0] : undefined);
const isOutput = (body: any) => firstInput(body)?.type === 'function_call_output';
const asItems = (input: any) => (typeof input === 'string' ? [{ role: 'user', content: input }] : input);

/** What was refused is told to the model with what comes next. */
function keepingRefused(): Fault {
  const refused: any[] = [];
  return {
    call(call) {
      if (!isCreate(call)) return;
      (call as any).input = call.body.input;
      call.body.input = [...refused, ...asItems(call.body.input)];
    },
    reply({ status }, call) {
      const { input } = call as any;
      if (isCreate(call) && status === 400 && typeof input === 'string') refused.push(...asItems(input));
    },
  };
}

/** Knows of each response which model made it. */
const onOtherModel =
  (fault: (body: any) => Passed | undefined): (() => Fault) =>
  () => {
    const models = new Map<string, string>();
    return {
      call(call) {
        const maker = isCreate(call) ? models.get(call.body.previous_response_id) : undefined;
        return maker === undefined || maker === call.body.model ? undefined : fault(call.body);
      },
      reply({ text, isStream }, call) {
        if (isCreate(call) && !isStream) models.set(JSON.parse(text).id, call.body.model);
      },
    };
  };

/** Another server after the restart. */
const afterRestart =
  (fault: (call: Call) => Passed | undefined | void): (() => Fault) =>
  () => {
    let restarted = false;
    return {
      call: (call) => (restarted ? fault(call) : undefined),
      restart() {
        restarted = true;
      },
    };
  };

function withoutGrammars(body: any): void {
  for (const tool of body.tools ?? []) delete tool.format;
}

const ended = (event: any) => /^response\.(completed|incomplete|failed)$/.test(event.type);

/** Keeps what was asked and answered, as a server without a store of its own would. */
function remembering(historyOf: (turns: { input: any[]; output: any[] }[]) => any[]): () => Fault {
  return () => {
    const turns = new Map<string, { input: any[]; output: any[]; parent: string | undefined }>();
    const asList = (input: any) => (typeof input === 'string' ? [{ role: 'user', content: input }] : input);
    return {
      call(call) {
        if (!isCreate(call)) return;
        const { previous_response_id: parent } = call.body;
        (call as any).input = asList(call.body.input);
        (call as any).parent = parent;
        const chain: { input: any[]; output: any[] }[] = [];
        for (let id = parent; turns.has(id); id = turns.get(id)?.parent) chain.unshift(turns.get(id) as never);
        if (chain.length === 0) return;
        delete call.body.previous_response_id;
        call.body.input = [...historyOf(chain), ...(call as any).input];
      },
      reply({ text, isStream }, call) {
        if (!isCreate(call) || isStream) return;
        const { id, output } = JSON.parse(text);
        if (output === undefined) return;
        const plain = output.map(({ id: _id, ...item }: any) => item);
        turns.set(id, { input: (call as any).input, output: plain, parent: (call as any).parent });
      },
    };
  };
}

export const mutants: Mutant[] = [
  { name: 'no memory', caughtBy: 'state/chain', make: inCreate((body) => delete body.previous_response_id) },
  {
    name: 'an unknown parent is ignored',
    caughtBy: 'state/unknown-parent',
    make: inCreate((body) => delete body.previous_response_id),
  },
  {
    name: 'only outputs are replayed',
    caughtBy: 'state/chain',
    make: remembering((turns) => turns.flatMap(({ output }) => output)),
  },
  {
    name: 'only inputs are replayed',
    caughtBy: 'state/output-is-kept',
    make: remembering((turns) => turns.flatMap(({ input }) => input)),
  },
  {
    name: 'only the newest turn is replayed',
    caughtBy: 'state/chain',
    make: remembering((turns) => turns.slice(-1).flatMap(({ input, output }) => [...input, ...output])),
  },
  {
    name: 'the history is replayed twice',
    caughtBy: 'state/chain',
    make: remembering((turns) => [...turns, ...turns].flatMap(({ input, output }) => [...input, ...output])),
  },
  {
    name: 'the history is replayed newest first',
    caughtBy: 'state/chain',
    make: remembering((turns) => turns.toReversed().flatMap(({ input, output }) => [...input, ...output])),
  },
  {
    name: 'the oldest turns are left out',
    caughtBy: 'state/chain',
    make: remembering((turns) => turns.slice(-2).flatMap(({ input, output }) => [...input, ...output])),
  },
  {
    name: 'long texts are cut',
    caughtBy: 'state/long-text',
    make: inCreate((body) => {
      if (typeof body.input === 'string') body.input = body.input.slice(0, 2048);
    }),
  },
  {
    name: 'the whole session is replayed',
    caughtBy: 'forks/isolation',
    make: () => {
      let newest: string | undefined;
      return {
        call(call) {
          if (isCreate(call) && call.body.previous_response_id !== undefined) call.body.previous_response_id = newest;
        },
        reply({ text, isStream }, call) {
          if (isCreate(call) && !isStream) newest = JSON.parse(text).id ?? newest;
        },
      };
    },
  },
  {
    name: 'the commit comes after the acknowledgement',
    caughtBy: 'state/at-once',
    make: () => {
      const acknowledged = new Set<string>();
      return {
        call(call) {
          const parent = call.body?.previous_response_id;
          if (!isCreate(call) || !acknowledged.delete(parent)) return;
          return json(
            {
              error: {
                message: 'not found',
                type: 'invalid_request_error',
                param: null,
                code: 'previous_response_not_found',
              },
            },
            400,
          );
        },
        reply({ text, isStream }, call) {
          if (isCreate(call) && isStream) acknowledged.add(/"id":"(resp_\w+)"/.exec(text)?.[1] ?? '');
        },
      };
    },
  },
  {
    name: 'streamed responses are not stored',
    caughtBy: 'state/streamed-and-plain',
    make: inCreate((body) => {
      if (body.stream === true) body.store = false;
    }),
  },
  { name: 'store: false is ignored', caughtBy: 'responses/not-stored', make: inCreate((body) => delete body.store) },
  {
    name: 'deletion does nothing',
    caughtBy: 'responses/delete',
    make: () => ({
      call: ({ method, path }) =>
        method === 'DELETE' ? json({ id: path.split('/').at(-1), object: 'response', deleted: true }) : undefined,
    }),
  },
  {
    name: 'instructions are inherited',
    caughtBy: 'state/instructions-are-not-inherited',
    make: () => {
      let last: string | undefined;
      return {
        call(call) {
          if (!isCreate(call)) return;
          last = call.body.instructions ?? last;
          call.body.instructions = last;
        },
      };
    },
  },
  {
    name: 'metadata is forgotten',
    caughtBy: 'responses/get-equals-create',
    make: inBody(isGet, (body) => {
      body.metadata = {};
    }),
  },
  {
    name: 'item ids are made anew at each reading',
    caughtBy: 'responses/get-equals-create',
    make: inBody(isGet, (body) => {
      for (const item of body.output ?? []) item.id = `${item.id}x`;
    }),
  },
  {
    name: 'usage is missing',
    caughtBy: 'responses/object',
    make: inBody(isCreate, (body) => {
      body.usage = null;
    }),
  },
  {
    name: 'a cut answer looks complete',
    caughtBy: 'responses/incomplete',
    make: inBody(isCreate, (body) => {
      if (body.status === 'incomplete') body.status = 'completed';
    }),
  },
  {
    name: 'input items come oldest first where nothing is said',
    caughtBy: 'responses/input-items',
    make: inBody(isItems, (body, { path }) => {
      if (!path.includes('order')) body.data?.reverse();
    }),
  },
  {
    name: 'pages have no cursor',
    caughtBy: 'responses/input-items',
    make: () => ({
      call(call) {
        call.path = call.path.replace(/&after=[^&]*/, '');
      },
    }),
  },
  {
    name: 'control characters are lost',
    caughtBy: 'responses/text-is-exact',
    make: inBody(isItems, (body) => {
      for (const item of body.data ?? []) {
        for (const part of item.content ?? []) part.text = part.text?.replaceAll('\u0000', '');
      }
    }),
  },
  {
    name: 'the id changes between events',
    caughtBy: 'streams/one-id',
    make: inEvents((events) =>
      events.map((event) => (ended(event) ? { ...event, response: { ...event.response, id: 'resp_another' } } : event)),
    ),
  },
  {
    name: 'an event has no sequence number',
    caughtBy: 'streams/sequence-numbers',
    make: inEvents((events) =>
      events.map((event) => {
        if (event.type !== 'response.output_item.done') return event;
        const { sequence_number: _number, ...rest } = event;
        return rest;
      }),
    ),
  },
  {
    name: 'sequence numbers begin at one',
    caughtBy: 'streams/sequence-numbers',
    make: inEvents((events) => events.map((event) => ({ ...event, sequence_number: event.sequence_number + 1 }))),
  },
  {
    name: 'items are not added',
    caughtBy: 'streams/grammar-of-text',
    make: inEvents((events) => events.filter(({ type }) => type !== 'response.output_item.added')),
  },
  {
    name: 'a delta is lost',
    caughtBy: 'streams/grammar-of-text',
    make: inEvents((events) =>
      events.toSpliced(
        events.findIndex(({ type }) => type.endsWith('text.delta')),
        1,
      ),
    ),
  },
  {
    name: 'there is no terminal event',
    caughtBy: 'streams/grammar-of-text',
    make: inEvents((events) => events.filter((event) => !ended(event))),
  },
  {
    name: 'the terminal event has no output',
    caughtBy: 'streams/grammar-of-calls',
    make: inEvents((events) =>
      events.map((event) => (ended(event) ? { ...event, response: { ...event.response, output: [] } } : event)),
    ),
  },
  {
    name: 'item ids change when items are done',
    caughtBy: 'streams/grammar-of-calls',
    make: inEvents((events) =>
      events.map((event) =>
        event.type === 'response.output_item.done' ? { ...event, item: { ...event.item, id: 'fc_another' } } : event,
      ),
    ),
  },
  {
    name: 'the first event says completed',
    caughtBy: 'streams/begun-in-progress',
    make: inEvents((events) =>
      events.map((event) =>
        event.type === 'response.created' ? { ...event, response: { ...event.response, status: 'completed' } } : event,
      ),
    ),
  },
  {
    name: 'event lines are missing',
    caughtBy: 'streams/names',
    make: () => ({
      reply(passed) {
        passed.text = passed.text.replaceAll(/^event: .*\n/gm, '');
      },
    }),
  },
  {
    name: 'a call without output is sent on',
    caughtBy: 'tools/missing-output',
    make: inCreate((body) => {
      if (body.input === 'Never mind.') delete body.previous_response_id;
    }),
  },
  {
    name: 'an output without a call is sent on',
    caughtBy: 'tools/missing-call',
    make: inCreate((body) => {
      if (Array.isArray(body.input)) body.input = body.input.filter(({ call_id: id }: any) => id !== 'call_nothing');
      if (body.input.length === 0) body.input = 'Hello.';
    }),
  },
  {
    name: 'call ids are made anew in streams',
    caughtBy: 'tools/loop-after-stream',
    make: inEvents((events) =>
      events.map((event) =>
        ended(event)
          ? {
              ...event,
              response: {
                ...event.response,
                output: event.response.output.map((item: any) => ({ ...item, call_id: 'call_another' })),
              },
            }
          : event,
      ),
    ),
  },
  {
    name: 'of two outputs the first one counts',
    caughtBy: 'tools/double-output',
    make: inCreate((body) => {
      if (!Array.isArray(body.input)) return;
      const seen = new Set();
      body.input = body.input.filter(({ call_id: id }: any) => id === undefined || (!seen.has(id) && seen.add(id)));
    }),
  },
  {
    name: 'tool_choice is ignored',
    caughtBy: 'tools/choice',
    make: inCreate((body) => {
      if (body.tool_choice === 'none') delete body.tool_choice;
    }),
  },
  {
    name: 'outputs of custom tools are lost',
    caughtBy: 'tools/custom',
    make: inCreate((body) => {
      for (const item of Array.isArray(body.input) ? body.input : []) {
        if (item.type === 'custom_tool_call_output') item.output = '';
      }
    }),
  },
  {
    name: 'a piece of a custom input comes twice',
    caughtBy: 'tools/custom-streamed',
    make: inEvents((events) =>
      events.flatMap((event) => (event.type === 'response.custom_tool_call_input.delta' ? [event, event] : [event])),
    ),
  },
  {
    name: 'grammars are not kept to',
    caughtBy: 'tools/grammar',
    make: inCreate(withoutGrammars),
  },
  {
    name: 'grammars are not read',
    caughtBy: 'tools/unreadable-grammar',
    make: inCreate(withoutGrammars),
  },
  {
    name: 'a screenshot needs no call',
    caughtBy: 'tools/computer',
    make: inCreate((body) => {
      if (body.input === 'Never mind.') delete body.previous_response_id;
    }),
  },
  {
    name: 'compaction makes a window of users alone',
    caughtBy: 'compaction/window',
    make: inBody(isCompact, (body) => {
      body.output = body.output?.slice(0, -1);
    }),
  },
  {
    name: 'what stood before a compaction is forgotten',
    caughtBy: 'compaction/trigger',
    make: inCreate((body) => {
      if (body.input?.[0]?.type === 'compaction_trigger') {
        delete body.previous_response_id;
        body.input.unshift({ role: 'user', content: 'Hello.' });
      }
    }),
  },
  {
    name: 'a trigger may stand anywhere',
    caughtBy: 'compaction/trigger-comes-last',
    make: inCreate((body) => {
      if (body.input?.[0]?.type === 'compaction_trigger') body.input.reverse();
    }),
  },
  {
    name: 'no context is managed',
    caughtBy: 'compaction/threshold',
    make: inCreate((body) => delete body.context_management),
  },
  {
    name: 'an open call is compacted away',
    caughtBy: 'compaction/open-calls',
    make: inCreate((body) => {
      if (body.input?.[0]?.type === 'function_call_output') body.input = 'Hello.';
      if (body.input?.[0]?.type === 'compaction_trigger') {
        delete body.previous_response_id;
        body.input.unshift({ role: 'user', content: 'Hello.' });
      }
    }),
  },
  {
    name: 'a compaction that was altered is an error of the server',
    caughtBy: 'compaction/altered',
    make: () => ({
      call(call) {
        const [item] = call.body?.input ?? [];
        if (isCreate(call) && item?.encrypted_content?.endsWith('AAAAAAAAAAAA')) return json({ error: {} }, 500);
      },
    }),
  },
  {
    name: 'compactions are everybody’s',
    caughtBy: 'isolation/compaction',
    make: () => ({
      call(call) {
        if (call.body?.input?.[0]?.type === 'compaction') call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'tokens of anybody’s context are counted',
    caughtBy: 'isolation/input-tokens',
    make: () => ({
      call(call) {
        if (call.path.endsWith('/input_tokens')) call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'anybody’s context is compacted',
    caughtBy: 'isolation/compact',
    make: () => ({
      call(call) {
        if (isCompact(call)) call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'tools are not counted',
    caughtBy: 'responses/input-tokens',
    make: () => ({
      call(call) {
        if (call.path.endsWith('/input_tokens')) delete call.body.tools;
      },
    }),
  },
  {
    name: 'rows have no owner',
    caughtBy: 'isolation/get',
    make: () => ({
      call(call) {
        call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'a foreign id is forbidden, not unknown',
    caughtBy: 'isolation/delete',
    make: () => {
      const known = new Set<string>();
      return {
        call({ method, path, headers }) {
          const id = path.split('/').at(-1) ?? '';
          if (method !== 'DELETE' || !known.has(id) || headers['authorization']?.includes('master')) return;
          return json({ error: { message: 'forbidden', type: 'permission_error', param: null, code: null } }, 403);
        },
        reply({ text, isStream }, call) {
          if (isCreate(call) && !isStream) known.add(JSON.parse(text).id);
        },
      };
    },
  },
  {
    name: 'items have no owner',
    caughtBy: 'isolation/item-reference',
    make: () => ({
      call(call) {
        if (call.body?.input?.[0]?.type === 'item_reference') call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'errors have no param',
    caughtBy: 'errors/shape',
    make: inBody(isCreate, (body) => {
      if (body.error !== undefined) delete body.error.param;
    }),
  },
  {
    name: 'a bad parameter is the server’s fault',
    caughtBy: 'errors/bad-parameters',
    make: () => ({
      reply(passed) {
        if (passed.status === 400) passed.status = 500;
      },
    }),
  },
  {
    name: 'bad parameters are left out',
    caughtBy: 'errors/bad-parameters',
    make: inCreate((body) => delete body.max_output_tokens),
  },
  {
    name: 'an unknown model is replaced',
    caughtBy: 'errors/unknown-model',
    make: inCreate((body) => {
      if (body.model === 'no-such-model-4711') body.model = 'm';
    }),
  },
  {
    name: 'any key will do',
    caughtBy: 'errors/wrong-key',
    make: () => ({
      call(call) {
        call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'a conversation cannot be changed',
    caughtBy: 'conversations/object',
    make: inBody(isConversation, (body) => {
      if (body.metadata !== undefined) body.metadata = { topic: 'verify' };
    }),
  },
  {
    name: 'a turn forgets its conversation',
    caughtBy: 'conversations/turns',
    make: inCreate((body) => delete body.conversation),
  },
  {
    name: 'items of a conversation come oldest first, whatever was asked for',
    caughtBy: 'conversations/items',
    make: () => ({
      call(call) {
        call.path = call.path.replace(/\/items(\?.*)?$/, '/items?order=asc&limit=100');
      },
    }),
  },
  {
    name: 'an item of a conversation is not deleted',
    caughtBy: 'conversations/items',
    make: () => ({
      call(call) {
        if (call.method === 'DELETE') return json({ id: call.path.split('/')[3], object: 'conversation' });
      },
    }),
  },
  {
    name: 'a conversation takes several writers, each of whom forgets the others',
    caughtBy: 'conversations/one-writer',
    make: () => ({
      call(call) {
        if (isCreate(call) && !JSON.stringify(call.body.input).includes('List every')) delete call.body.conversation;
      },
    }),
  },
  {
    name: 'of a conversation and a parent the parent is left out',
    caughtBy: 'conversations/or-a-parent',
    make: inCreate((body) => {
      if (body.conversation !== undefined) delete body.previous_response_id;
    }),
  },
  {
    name: 'a conversation that is not there is made',
    caughtBy: 'conversations/unknown',
    make: () => ({
      reply(passed, call) {
        if (passed.status !== 404 || !isCreate(call)) return;
        passed.status = 200;
        passed.text = '{"object":"response","status":"completed"}';
      },
    }),
  },
  {
    name: 'conversations are everybody’s',
    caughtBy: 'isolation/conversation',
    make: () => ({
      call(call) {
        if (isConversation(call)) call.headers['authorization'] = 'Bearer sk-test-master';
      },
    }),
  },
  {
    name: 'an id comes twice',
    caughtBy: 'responses/ids-differ',
    make: inBody(isCreate, (body) => {
      body.id = 'resp_1';
    }),
  },
  {
    name: 'children are deleted with their parent',
    caughtBy: 'responses/delete-keeps-children',
    make: () => {
      const deleted = new Set<string>();
      return {
        call({ method, path }) {
          if (method === 'DELETE') deleted.add(path.split('/').at(-1) ?? '');
        },
        reply(passed, call) {
          if (isGet(call) && deleted.has(JSON.parse(passed.text).previous_response_id)) passed.status = 404;
        },
      };
    },
  },
  {
    name: 'the format of the answer is ignored',
    caughtBy: 'responses/structured-output',
    make: inCreate((body) => delete body.text),
  },
  {
    name: 'a key of idempotency takes another request',
    caughtBy: 'responses/idempotency-key',
    make: () => ({
      call({ body, headers }) {
        if (body?.input === 'something else') delete headers['idempotency-key'];
      },
    }),
  },
  {
    name: 'a request that is repeated is answered otherwise',
    caughtBy: 'responses/idempotency-key',
    make: () => {
      let answers = 0;
      return inBody(isCreate, (body) => {
        if (body.usage !== undefined) body.usage.output_tokens += answers++;
      })();
    },
  },
  {
    name: 'every turn costs twice as much as the one before',
    caughtBy: 'state/tokens-grow-linearly',
    make: () => {
      let tokens = 50;
      return inBody(isCreate, (body) => {
        body.usage.input_tokens = tokens *= 2;
      })();
    },
  },
  { name: 'a turn that was refused is kept', caughtBy: 'state/failed-child', make: keepingRefused },
  {
    name: 'an unfinished parent is gone on from, with nothing of what it says',
    caughtBy: 'state/unfinished-parent',
    make: inCreate((body) => delete body.previous_response_id),
  },
  {
    name: 'items that are referred to are left out',
    caughtBy: 'state/item-reference',
    make: inCreate((body) => {
      if (Array.isArray(body.input)) body.input = body.input.filter(({ type }: any) => type !== 'item_reference');
    }),
  },
  {
    name: 'an item of the chain is taken again',
    caughtBy: 'state/duplicate-item',
    make: inCreate((body) => {
      for (const item of asItems(body.input)) delete item.id;
    }),
  },
  {
    name: 'turns on one parent at the same time are one',
    caughtBy: 'forks/concurrent',
    make: () => {
      const running = new Map<string, string[]>();
      const shared = new Map<string, string>();
      return {
        call(call) {
          if (!isCreate(call) || call.body.previous_response_id === undefined) return;
          const { previous_response_id: parent } = call.body;
          (call as any).beside = running.get(parent) ?? [];
          running.set(parent, (call as any).beside);
          call.body.previous_response_id = shared.get(parent) ?? parent;
        },
        reply({ text, isStream }, call) {
          const beside: string[] | undefined = (call as any).beside;
          if (beside === undefined || isStream) return;
          beside.push(JSON.parse(text).id);
          shared.set(beside.at(-1) ?? '', beside[0] ?? '');
        },
      };
    },
  },
  {
    name: 'another model begins anew',
    caughtBy: 'models/other-model-goes-on',
    make: onOtherModel((body) => {
      delete body.previous_response_id;
      return undefined;
    }),
  },
  {
    name: 'calls of another model are unknown',
    caughtBy: 'models/tool-loop-changes-hands',
    make: onOtherModel((body) => (isOutput(body) ? refusal() : undefined)),
  },
  {
    name: 'outputs of calls are lost',
    caughtBy: 'tools/loop',
    make: inCreate((body) => {
      for (const item of asItems(body.input)) if (item.type === 'function_call_output') item.output = '';
    }),
  },
  {
    name: 'outputs without tools are refused',
    caughtBy: 'tools/not-sent-again',
    make: refusing((body) => isOutput(body) && body.tools === undefined),
  },
  {
    name: 'call ids begin anew with every response',
    caughtBy: 'tools/long-loop',
    make: () => {
      let real = '';
      return {
        call(call) {
          if (isCreate(call) && isOutput(call.body)) call.body.input[0].call_id = real;
        },
        reply(passed, call) {
          const made = isCreate(call) ? /"call_id":"([^"]*)"/.exec(passed.text)?.[1] : undefined;
          if (made === undefined) return;
          real = made;
          passed.text = passed.text.replaceAll(made, 'call_0');
        },
      };
    },
  },
  {
    name: 'outputs in parts are lost',
    caughtBy: 'tools/output-as-parts',
    make: inCreate((body) => {
      for (const item of asItems(body.input)) if (Array.isArray(item.output)) item.output = '';
    }),
  },
  {
    name: 'a message between outputs is refused',
    caughtBy: 'tools/parallel',
    make: refusing((body) => isOutput(body) && body.input[1]?.role === 'user' && body.input.length > 2),
  },
  {
    name: 'a turn that was refused ends its parent',
    caughtBy: 'tools/can-be-corrected',
    make: () => {
      const over = new Set<string>();
      return {
        call: (call) => (isCreate(call) && over.has(call.body.previous_response_id) ? refusal() : undefined),
        reply({ status }, call) {
          if (isCreate(call) && status === 400) over.add(call.body.previous_response_id);
        },
      };
    },
  },
  {
    name: 'of a history that is sent the end alone is read',
    caughtBy: 'tools/whole-history-sent',
    make: inCreate((body) => {
      if (Array.isArray(body.input)) body.input = body.input.slice(-2);
    }),
  },
  {
    name: 'a stream tells of other tokens than are stored',
    caughtBy: 'streams/stored-as-streamed',
    make: inEvents((events) => {
      const { response } = events.at(-1);
      return [...events.slice(0, -1), { ...events.at(-1), response: { ...response, usage: null } }];
    }),
  },
  {
    name: 'a stream does not say what was used',
    caughtBy: 'streams/usage',
    make: inEvents((events) => events.map((event) => ({ ...event, response: { ...event.response, usage: null } }))),
  },
  {
    name: 'a body that cannot be read is the server’s fault',
    caughtBy: 'errors/not-json',
    make: () => ({ call: (call) => (call.body === undefined && isCreate(call) ? refusal(null, 500) : undefined) }),
  },
  {
    name: 'a model that is not named is chosen',
    caughtBy: 'errors/missing-fields',
    make: inCreate((body) => {
      body.model ??= 'm';
    }),
  },
  {
    name: 'what is not there is cancelled',
    caughtBy: 'errors/unknown-ids',
    make: () => ({
      reply(passed, { path }) {
        if (path.endsWith('/cancel')) passed.status = 200;
      },
    }),
  },
  {
    name: 'streams have no owner',
    caughtBy: 'isolation/get-stream',
    make: withoutOwner(({ path }) => path.includes('?stream=')),
  },
  {
    name: 'whoever asks may cancel',
    caughtBy: 'isolation/cancel',
    make: withoutOwner(({ path }) => path.endsWith('/cancel')),
  },
  { name: 'input has no owner', caughtBy: 'isolation/input-items', make: withoutOwner(isItems) },
  {
    name: 'chains have no owner',
    caughtBy: 'isolation/chain',
    make: withoutOwner((call) => isCreate(call) && call.body.previous_response_id !== undefined),
  },
  {
    name: 'a conversation does not keep its calls',
    caughtBy: 'conversations/tool-loop',
    make: inCreate((body) => {
      if (isOutput(body)) delete body.conversation;
    }),
  },
  {
    name: 'a conversation keeps what was refused',
    caughtBy: 'conversations/failed-turn-adds-nothing',
    make: keepingRefused,
  },
  {
    name: 'a run in the background holds its client up',
    caughtBy: 'background/poll',
    make: inCreate((body) => delete body.background),
  },
  {
    name: 'the stream of a run has no end',
    caughtBy: 'background/stream',
    make: inEvents((events) => events.filter((event) => !ended(event))),
  },
  {
    name: 'a stream that is resumed begins anew',
    caughtBy: 'background/resume',
    make: inPath((path) => path.replace(/&starting_after=.*/, '')),
  },
  {
    name: 'a stream cannot be resumed',
    caughtBy: 'background/resume',
    make: () => ({ call: ({ path }) => (path.includes('starting_after') ? refusal() : undefined) }),
  },
  {
    name: 'a wrong number is none',
    caughtBy: 'background/resume-at-a-wrong-place',
    make: inPath((path) => path.replace(/&starting_after=.*/, '&starting_after=0')),
  },
  {
    name: 'what was cancelled can be gone on from',
    caughtBy: 'background/cancel',
    make: inCreate((body) => delete body.previous_response_id),
  },
  {
    name: 'a response that nobody runs is cancelled',
    caughtBy: 'background/cancel-what-is-none',
    make: () => ({
      reply(passed, { path }) {
        if (path.endsWith('/cancel')) passed.status = 200;
      },
    }),
  },
  {
    name: 'what has ended is cancelled',
    caughtBy: 'background/cancel-too-late',
    make: inBody(
      ({ path }) => path.endsWith('/cancel'),
      (body) => {
        body.status = 'cancelled';
      },
    ),
  },
  {
    name: 'what runs is not deleted',
    caughtBy: 'background/delete-while-it-runs',
    make: () => ({ call: ({ method }) => (method === 'DELETE' ? json({ deleted: true }) : undefined) }),
  },
  {
    name: 'what runs in the background is stored, whatever was asked for',
    caughtBy: 'background/needs-store',
    make: inCreate((body) => delete body.store),
  },
  {
    name: 'a WebSocket has no memory',
    caughtBy: 'websocket/turns',
    make: inMessage((body) => delete body.previous_response_id),
  },
  {
    name: 'a WebSocket keeps nothing of its own',
    caughtBy: 'websocket/not-stored-chain',
    make: inMessage((body) => {
      if (body.previous_response_id !== undefined) body.previous_response_id += '0';
    }),
  },
  {
    name: 'what a WebSocket keeps is everybody’s',
    caughtBy: 'websocket/not-stored-elsewhere',
    make: inMessage((body) => delete body.store),
  },
  {
    name: 'a WebSocket trusts its state after a failure',
    caughtBy: 'websocket/forgets-after-failure',
    make: () => ({
      message(text) {
        if (!text.includes('"temperature":9')) return undefined;
        return { answer: { type: 'error', status: 400, error: { code: null, message: 'No.' } } };
      },
    }),
  },
  {
    name: 'a bad message ends the WebSocket',
    caughtBy: 'websocket/bad-messages',
    make: () => ({ message: (text) => (text.includes('response.create') ? undefined : { close: true }) }),
  },
  {
    name: 'responses end with the process',
    caughtBy: 'restart/state-survives',
    make: afterRestart((call) => (isGet(call) ? refusal(null, 404) : undefined)),
  },
  {
    name: 'calls end with the process',
    caughtBy: 'restart/tool-loop-survives',
    make: afterRestart((call) => {
      if (isCreate(call)) delete call.body.previous_response_id;
    }),
  },
  {
    name: 'conversations end with the process',
    caughtBy: 'restart/conversation-survives',
    make: afterRestart((call) => {
      if (isCreate(call)) delete call.body.conversation;
    }),
  },
];
