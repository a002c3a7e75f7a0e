import { afterAll, beforeAll } from 'vitest';
import { fakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import type { Backend } from './weather-model.ts';

/** One gateway over the backend for all tests of a `describe`, with one model: `weather-model`. */
export function shareGateway(backend: Backend): { upstream: () => FakeUpstream; baseURL: () => string } {
  let upstream: FakeUpstream;
  let gateway: SpawnedGateway;
  const cleanups: (() => void)[] = [];
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

  beforeAll(async () => {
    upstream = await fakeUpstream(backend.answer, onCleanup);
    const config = `models: [{ name: weather-model, ${backend.entry(upstream.url)} }]`;
    gateway = await spawnGateway({ folder: temporaryFolder(), config, onCleanup });
  });
  afterAll(() => {
    for (const cleanup of cleanups) cleanup();
  });
  return { upstream: () => upstream, baseURL: () => `${gateway.url}/v1` };
}
