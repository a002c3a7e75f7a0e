/** `turnpike demo` as a user runs it, against a spawned gateway. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { anthropic } from './clients/weather-model.ts';
import { fakeUpstream, frame, messageEvents, sendJson } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const launcher = fileURLToPath(new URL('../bin/turnpike.js', import.meta.url));
const question = 'What is the weather like in Paris today?';

async function demo(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [launcher, 'demo', ...args], { env: { NO_COLOR: '1', ...env } });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number, out, err };
}

interface Shown {
  id: string;
  status: string[];
  session: string[];
  input: string[];
  output: string[];
  usage: string[];
  cost: string[];
}

/** What the second part of the output says of each turn: lines of `name  value`, some names many times. */
function storedTurns(out: string): Shown[] {
  const [, stored = ''] = out.split('\nWhat the store holds\n');
  return stored
    .trim()
    .split('\n\n')
    .map((block, index) => {
      const [heading = '', ...lines] = block.split('\n');
      expect(heading).toMatch(new RegExp(`^Turn ${index + 1}  resp_`));
      const of = (name: string) => lines.flatMap((line) => new RegExp(`^  ${name} +(.*)$`).exec(line)?.slice(1) ?? []);
      return {
        id: heading.split('  ')[1] ?? '',
        status: of('status'),
        session: of('session'),
        input: of('input'),
        output: of('output'),
        usage: of('usage'),
        cost: of('cost'),
      };
    });
}

test.each([
  { name: 'simulator', entry: 'provider: simulator, model: any', answer: undefined },
  { name: 'anthropic', entry: undefined, answer: anthropic.answer },
])('plays the conversation and shows what is stored of it: $name', async ({ name, entry, answer }) => {
  const upstream = await fakeUpstream(answer ?? (() => {}));
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `
auth: { master_key: sk-demo }
models: [{ name: ${name}, ${entry ?? anthropic.entry(upstream.url)}, price: { input: 2, output: 10 } }]
`,
  });
  const { code, out, err } = await demo(['--url', gateway.url], { TURNPIKE_MASTER_KEY: 'sk-demo' });
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).toContain(`A conversation with ${name} at ${gateway.url}\n`);
  expect(out).not.toContain('sk-demo');

  const turns = storedTurns(out);
  expect(turns).toHaveLength(3);
  expect(new Set(turns.map(({ id }) => id)).size).toBe(3);
  expect(new Set(turns.map(({ session }) => session[0])).size).toBe(1);
  const [first, second, third] = turns as [Shown, Shown, Shown];
  // The stream told the same ids, as it came.
  for (const { id, session } of turns) expect(out).toContain(`  response ${id}, session ${session[0]}\n`);
  expect(first).toMatchObject({
    status: ['completed'],
    input: [`user: ${question}`],
    output: ['function_call get_weather {"city":"Paris"}'],
  });
  const result = 'function_call_output {"city":"Paris","celsius":18,"sky":"clear","station":"kestrel-4711"}';
  expect(second).toMatchObject({ input: [...first.input, ...first.output, result] });
  expect(second.output[0]).toContain('kestrel-4711');
  expect(third.input).toEqual([...second.input, ...second.output, 'user: And what did I ask you first?']);
  expect(third.output[0]).toContain(name === 'simulator' ? question : 'kestrel-4711');
  for (const { usage, cost } of turns) {
    const [, input, output] = /^(\d+) tokens in, (\d+) out$/.exec(usage[0] ?? '') ?? [];
    expect(Number(input)).toBeGreaterThan(0);
    expect(cost[0]).toBe(`${(Number(input) * 2 + Number(output) * 10) / 1e6} USD`);
  }
});

describe('says in one line what is wrong', () => {
  test('nobody is there', async () => {
    // A port that was free a moment ago: the gateway that had it is gone.
    const gateway = await spawnGateway({ folder: temporaryFolder() });
    await gateway.kill('SIGTERM');
    const { code, out, err } = await demo(['--url', gateway.url]);
    expect(err).toBe(
      `turnpike: no gateway answers at ${gateway.url}; start one with \`turnpike\`, or name it with --url\n`,
    );
    expect(out).toBe('');
    expect(code).toBe(1);
  });

  test('a key is needed, or is not known', async () => {
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: 'auth: { master_key: sk-demo }' });
    const without = await demo(['--url', gateway.url]);
    expect(without.err).toBe('turnpike: the gateway wants a key: give --key, or set TURNPIKE_MASTER_KEY\n');
    const wrong = await demo(['--url', gateway.url, '--key', 'sk-other']);
    expect(wrong.err).toBe('turnpike: the gateway does not know this key\n');
    expect([without.code, wrong.code]).toEqual([1, 1]);
    const right = await demo(['--url', `${gateway.url}/v1/`, '--key', 'sk-demo']);
    expect(right.code).toBe(0);
  });

  test('the model is not there', async () => {
    const gateway = await spawnGateway({ folder: temporaryFolder() });
    const { code, err } = await demo(['--url', gateway.url, '--model', 'nope']);
    expect(err).toMatch(/^turnpike: the gateway answered 404 on \/v1\/responses: The model 'nope' does not exist.*\n$/);
    expect(code).toBe(1);
  });

  test.each([
    {
      what: 'the model calls no tool',
      answer: (response: Parameters<typeof anthropic.answer>[1]) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(
          messageEvents([{ type: 'text', text: 'It is sunny.' }])
            .map(frame)
            .join(''),
        );
      },
      message: 'm answered without the tool',
    },
    {
      what: 'the stream breaks',
      answer: (response: Parameters<typeof anthropic.answer>[1]) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const events = messageEvents([{ type: 'text', text: 'It is sunny.' }]);
        response.write(events.slice(0, 5).map(frame).join(''), () => response.destroy());
      },
      message: 'the turn failed: The upstream closed the connection',
    },
    {
      what: 'the upstream refuses',
      answer: (response: Parameters<typeof anthropic.answer>[1]) =>
        sendJson(response, { type: 'error', error: { type: 'authentication_error', message: 'No.' } }, 401),
      message: 'the gateway answered 502 on /v1/responses: ',
    },
  ])('$what', async ({ answer, message }) => {
    const upstream = await fakeUpstream((_, response) => answer(response));
    const config = `models: [{ name: m, ${anthropic.entry(upstream.url)} }]`;
    const gateway = await spawnGateway({ folder: temporaryFolder(), config });
    const { code, err } = await demo(['--url', gateway.url]);
    expect(err).toContain(`turnpike: ${message}`);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
  });

  test.each([
    { url: 'nowhere', message: '--url must be an http:// or https:// URL' },
    { url: 'http://user:secret@localhost', message: '--url must not hold credentials; use --key' },
  ])('$url is no address', async ({ url, message }) => {
    const { code, err } = await demo(['--url', url]);
    expect(err).toBe(`turnpike: ${message}\n`);
    expect(code).toBe(1);
  });
});
