import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'tsdown';

const entries = {
  main: 'src/main.ts',
  worker: 'src/worker.ts',
  'writer-thread': 'src/store/sqlite/writer-thread.ts',
  'checkpoint-thread': 'src/store/sqlite/checkpoint-thread.ts',
  'price-list': 'src/spend/price-list.ts',
};

/** The folder in node_modules of the package that a module belongs to; undefined: the module is ours. */
function packageFolder(module: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(module)?.[0];
}

function noticeOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const texts = readdirSync(folder)
    .filter((name) => /^(licen[cs]e|copying|notice)/i.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n\n${texts.join('\n\n')}\n`;
}

/** Bundled packages come without their own files, so their licences travel in one of ours. */
const licences = {
  name: 'third-party-licences',
  generateBundle(
    this: { emitFile(file: { type: 'asset'; fileName: string; source: string }): void },
    _options: unknown,
    bundle: Record<string, { type: string; moduleIds?: string[] }>,
  ): void {
    const folders = new Set<string>();
    for (const { moduleIds = [] } of Object.values(bundle)) {
      for (const id of moduleIds) {
        const folder = packageFolder(id);
        if (folder !== undefined && existsSync(join(folder, 'package.json'))) folders.add(folder);
      }
    }
    const source = [...folders]
      .toSorted()
      .map(noticeOf)
      .join(`\n${'-'.repeat(80)}\n\n`);
    this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES.txt', source });
  },
};

/** Crash points are for tests of the sources: calls and imports go, and with them the module. */
const withoutCrashPoints = {
  name: 'without-crash-points',
  transform(code: string, module: string): string | undefined {
    if (packageFolder(module) !== undefined) return undefined;
    return code.replaceAll(/^ *(?:crashPoint\('[\w-]+'\)|import \{ crashPoint \} from '[^']+');\n/gm, '');
  },
};

export default defineConfig({
  entry: entries,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  dts: false,
  sourcemap: false,
  minify: false,
  clean: true,
  deps: { alwaysBundle: [/.*/], onlyBundle: false },
  plugins: [withoutCrashPoints, licences],
});
