/**
 * The Open Responses compliance suite against a gateway over each backend that translates. The suite is no part of this
 * repository: CONTRIBUTING.md says how to get and run it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { anthropic, type Backend, openAiCompatible } from '../clients/weather-model.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { createMessagesAnswer } from './order-model.ts';

const [bun, suite] = process.argv.slice(2);
if (bun === undefined || suite === undefined) throw new Error('usage: npm run open-responses -- BUN SUITE');

/** Behind Anthropic's format is the simulator, which refuses what Anthropic refuses. */
const tried: Backend[] = [{ ...anthropic, answer: createMessagesAnswer() }, openAiCompatible];
const key = 'sk-open-responses';
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

try {
  for (const { name, answer, entry } of tried) {
    const upstream = await fakeUpstream(answer, onCleanup);
    const config = `auth: { master_key: ${key} }\nmodels: [{ name: tried, ${entry(upstream.url)} }]`;
    const { url } = await spawnGateway({ folder: temporaryFolder(), config, onCleanup });
    process.stdout.write(`\nover ${name}\n`);
    const args = ['run', 'bin/compliance-test.ts', '--base-url', `${url}/v1`, '--api-key', key, '--model', 'tried'];
    const child = spawn(bun, args, { cwd: suite, stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) process.exitCode = 1;
  }
} finally {
  for (const cleanup of cleanups) cleanup();
}
