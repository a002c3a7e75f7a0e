import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** Any import or export from a module: static or dynamic, of values or of types. */
const importPattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g;

interface Source {
  /** Relative to `src`. */
  file: string;
  /** Our own files, relative to `src`. */
  files: string[];
  /** Packages and Node's own modules. */
  packages: string[];
}

function readSource(file: string): Source {
  // Comments may tell of imports; string literals that look like one do not occur.
  const code = readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const names = [...code.matchAll(importPattern)].flatMap((match) => match[2] ?? []);
  const own = names.filter((name) => name.startsWith('.'));
  return {
    file,
    files: own.map((name) => relative(root, resolve(root, dirname(file), name))),
    packages: names.filter((name) => !name.startsWith('.')),
  };
}

const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .toSorted()
  .map(readSource);

/**
 * What each part may import besides itself, as beginnings of paths: a folder ends in `/`, a file in `.ts`. The contracts
 * (`codec.ts`, `provider.ts`, `store.ts`, `run-store.ts`, `key-store.ts`, `budget-store.ts`, `conversation-store.ts`,
 * `file-store.ts`) are open where a whole part is not. `gateway.ts` is not here: it composes all.
 */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  'crash-point.ts': [],
  'repeat.ts': [],
  protocols: ['core/'],
  sse: ['core/'],
  store: ['core/', 'crash-point.ts', 'repeat.ts'],
  spend: ['core/', 'store/store.ts', 'store/budget-store.ts'],
  config: ['core/', 'protocols/codec.ts', 'providers/provider.ts', 'providers/vendors.ts'],
  keys: ['core/', 'config/config.ts', 'store/key-store.ts', 'store/budget-store.ts'],
  providers: ['core/', 'protocols/', 'sse/'],
  routing: ['core/', 'protocols/codec.ts', 'providers/provider.ts'],
  turn: [
    'core/',
    'crash-point.ts',
    'protocols/codec.ts',
    'protocols/responses/',
    'sse/',
    'repeat.ts',
    'store/store.ts',
    'store/conversation-store.ts',
    'store/run-store.ts',
    'store/budget-store.ts',
    'store/event-batch.ts',
    'store/file-store.ts',
    'store/patience.ts',
    'spend/',
    'providers/provider.ts',
    'routing/',
  ],
  http: [
    'core/',
    'crash-point.ts',
    'protocols/',
    'sse/',
    'store/store.ts',
    'store/conversation-store.ts',
    'store/file-store.ts',
    'store/patience.ts',
    'store/key-store.ts',
    'store/budget-store.ts',
    'spend/',
    'keys/',
    'providers/provider.ts',
    'routing/',
    'turn/',
  ],
  'main.ts': [
    'core/',
    'config/',
    'gateway.ts',
    'run-gateway.ts',
    'workers.ts',
    'migrate-store.ts',
    'copy-store.ts',
    'demo.ts',
    'verify/',
    'connect/',
  ],
  verify: ['core/file-fault.ts', 'core/reason-of.ts', 'core/server-address.ts', 'sse/'],
  connect: ['core/'],
  'run-gateway.ts': ['core/', 'config/', 'gateway.ts'],
  'workers.ts': ['core/', 'config/', 'worker.ts', 'restart-pause.ts'],
  'worker.ts': ['config/', 'gateway.ts', 'run-gateway.ts'],
  'restart-pause.ts': [],
  'migrate-store.ts': ['config/', 'store/'],
  'copy-store.ts': ['config/', 'store/'],
  'demo.ts': ['core/', 'sse/'],
  'index.ts': ['core/', 'config/', 'gateway.ts'],
};

/** The named vendors; what else is in `providers` is shared by them. */
const providers = ['anthropic', 'openai', 'openai-compatible', 'gemini', 'bedrock', 'vertex', 'ai-sdk', 'simulator'];
/** Whose models each serves. */
const served: Record<string, readonly string[]> = {
  bedrock: ['anthropic'],
  vertex: ['anthropic', 'gemini'],
  simulator: ['anthropic'],
};

const partOf = (file: string): string => file.split('/')[0] ?? file;
/** `protocols/chat` of `protocols/chat/wire.ts`; `providers/anthropic` of `providers/anthropic.ts` too. */
const memberOf = (file: string): string => file.split('/').slice(0, 2).join('/').replace(/\.ts$/, '');

function offences(isForbidden: (from: string, to: string) => boolean): string[] {
  return sources.flatMap(({ file, files }) =>
    files.filter((to) => isForbidden(file, to)).map((to) => `${file} -> ${to}`),
  );
}

describe('the imports under src', () => {
  test('were found', () => {
    expect(sources.length).toBeGreaterThan(30);
    expect(sources.flatMap(({ files }) => files).length).toBeGreaterThan(60);
    const parts = new Set(sources.map(({ file }) => partOf(file)));
    expect([...parts].filter((part) => !(part in mayImport) && part !== 'gateway.ts')).toEqual([]);
  });

  test('point at files that are there, below src', () => {
    const known = new Set(sources.map(({ file }) => file));
    expect(offences((_, to) => !known.has(to))).toEqual([]);
  });

  test('follow the direction of the parts', () => {
    const isForbidden = (from: string, to: string): boolean => {
      const part = partOf(from);
      if (part === 'gateway.ts') return to === 'main.ts';
      return partOf(to) !== part && !(mayImport[part] ?? []).some((open) => to.startsWith(open));
    };
    expect(offences(isForbidden)).toEqual([]);
  });

  test('never lead from one protocol to another', () => {
    const isForbidden = (from: string, to: string): boolean =>
      partOf(from) === 'protocols' &&
      partOf(to) === 'protocols' &&
      to !== 'protocols/codec.ts' &&
      memberOf(from) !== memberOf(to);
    expect(offences(isForbidden)).toEqual([]);
  });

  test('never lead from one provider to another, but to the vendor from a cloud that serves its models', () => {
    const vendorOf = (file: string): string | undefined =>
      providers.find((name) => memberOf(file) === `providers/${name}`);
    const isForbidden = (from: string, to: string): boolean => {
      const vendor = vendorOf(to);
      if (partOf(from) !== 'providers' || vendor === undefined || vendor === vendorOf(from)) return false;
      return !(served[vendorOf(from) ?? ''] ?? []).includes(vendor);
    };
    expect(offences(isForbidden)).toEqual([]);
    expect(providers.filter((name) => !sources.some(({ file }) => vendorOf(file) === name))).toEqual([]);
  });

  test('never go round in a circle', () => {
    const importsOf = new Map(sources.map(({ file, files }) => [file, files]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file) || path.includes(file)) return;
      for (const to of importsOf.get(file) ?? []) visit(to, [...path, file]);
      done.add(file);
    };
    for (const { file } of sources) visit(file, []);
    expect(circles).toEqual([]);
  });

  // A second place that opens sockets, files or databases would be a second place to get secrets and limits wrong.
  test.each<[string, RegExp, RegExp]>([
    [
      'sockets to upstreams',
      /^(undici|node:(https|net|tls|dgram|http2))$/,
      /^(providers|http|keys|config|gateway\.ts|demo\.ts)/,
    ],
    ['databases', /^(kysely|node:sqlite|pg)$/, /^store\//],
    ['the command line', /^citty$/, /^(main|demo)\.ts$/],
    ['YAML', /^yaml$/, /^config\//],
  ])('keep %s in their place', (_what, packages, allowed) => {
    const users = sources.filter((source) => source.packages.some((name) => packages.test(name)));
    expect(users.map(({ file }) => file).filter((file) => !allowed.test(file))).toEqual([]);
  });

  test('keep core and protocols pure', () => {
    const isPure = (name: string): boolean => name === 'node:crypto' || name === 'node:util' || name === 'zod';
    const impure = sources
      .filter(({ file }) => ['core', 'protocols'].includes(partOf(file)))
      .flatMap(({ file, packages }) => packages.filter((name) => !isPure(name)).map((name) => `${file} -> ${name}`));
    expect(impure).toEqual([]);
  });
});
