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
];
