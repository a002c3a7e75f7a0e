/**
 * What the gateway adds: CPU seconds per 1,000 requests of its own process, and latency over a direct call, plain and on a
 * stream of 100 chunks. Closed loop. Linux only, since it reads /proc.
 *
 *     npm run bench -- [--seconds 4] [--rounds 3] [--concurrency 32]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '32' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const concurrency = Number(values.concurrency);

interface Target {
  name: string;
  pid: number;
  pool: Pool;
  path: string;
  headers: Record<string, string>;
  body: (stream: boolean) => string;
  /** What the last bytes of a whole stream hold. */
  endMark: string;
}

interface Sample {
  cpuPer1000: number;
  p50Ms: number;
  p99Ms: number;
  perSecond: number;
}

/** CPU seconds that a process has used, all its threads: fields 14 and 15 of its stat line, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function request({ pool, path, headers, body, endMark }: Target, stream: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let tail = '';
    pool.dispatch(
      { method: 'POST', path, headers, body: body(stream) },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData(_controller, chunk) {
          tail = (tail + chunk.toString('latin1')).slice(-4000);
        },
        onResponseEnd() {
          if (status === 200 && (!stream || tail.includes(endMark))) resolve();
          else reject(new Error(`status ${status}: ${tail.slice(0, 300)}`));
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      },
    );
  });
}

async function load(target: Target, stream: boolean, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const until = performance.now() + durationMs;
  const worker = async () => {
    while (performance.now() < until) {
      const start = performance.now();
      await request(target, stream);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return latencies;
}

async function measure(target: Target, stream: boolean): Promise<Sample> {
  await load(target, stream, 700);
  const before = cpuSeconds(target.pid);
  const latencies = await load(target, stream, seconds * 1000);
  const cpu = cpuSeconds(target.pid) - before;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN;
  return {
    cpuPer1000: (cpu / latencies.length) * 1000,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    perSecond: latencies.length / seconds,
  };
}

function median(samples: Sample[], field: keyof Sample): number {
  return samples.map((sample) => sample[field]).toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [text] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return text.toString('utf8').trim();
}

const folder = mkdtempSync(join(tmpdir(), 'turnpike-bench-'));
const root = new URL('..', import.meta.url).pathname;
const children: ChildProcess[] = [];
try {
  const upstream = spawn(process.execPath, [join(root, 'bench/fake-upstream.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(upstream);
  const upstreamUrl = `http://127.0.0.1:${await firstLine(upstream)}`;
  writeFileSync(
    join(folder, 'turnpike.yaml'),
    `auth: { master_key: bench }
models: [{ name: claude-bench, provider: anthropic, model: claude-bench, base_url: "${upstreamUrl}", api_key: k }]
`,
  );
  const gateway = spawn(process.execPath, [join(root, 'dist/main.mjs'), 'serve', '--port', '0'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(gateway);
  const gatewayUrl = (await firstLine(gateway)).split(' ').at(-1) ?? '';

  const text = 'x'.repeat(2000);
  const targets: Target[] = [
    {
      name: 'direct',
      pid: upstream.pid ?? 0,
      pool: new Pool(upstreamUrl, { connections: concurrency }),
      path: '/v1/messages',
      headers: { 'content-type': 'application/json' },
      body: (stream) => JSON.stringify({ max_tokens: 1000, messages: [{ role: 'user', content: text }], stream }),
      endMark: 'message_stop',
    },
    {
      name: 'turnpike',
      pid: gateway.pid ?? 0,
      pool: new Pool(gatewayUrl, { connections: concurrency }),
      path: '/v1/responses',
      headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
      body: (stream) => JSON.stringify({ model: 'claude-bench', input: text, stream }),
      endMark: 'event: response.completed',
    },
  ];

  process.stdout.write(
    '| scenario | target | CPU s per 1,000 | p50 ms | p99 ms | requests/s |\n|---|---|---|---|---|---|\n',
  );
  for (const stream of [false, true]) {
    const samples = new Map<string, Sample[]>(targets.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const target of targets) samples.get(target.name)?.push(await measure(target, stream));
    }
    for (const [name, taken] of samples) {
      const row = (['cpuPer1000', 'p50Ms', 'p99Ms', 'perSecond'] as const).map((field) =>
        median(taken, field).toFixed(field === 'cpuPer1000' ? 3 : 1),
      );
      process.stdout.write(`| ${stream ? 'stream of 100 chunks' : 'plain'} | ${name} | ${row.join(' | ')} |\n`);
    }
  }
  for (const { pool } of targets) await pool.destroy();
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(children.filter((child) => child.exitCode === null).map((child) => once(child, 'exit')));
  rmSync(folder, { recursive: true, force: true });
}
