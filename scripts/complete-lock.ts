import { readFileSync, writeFileSync } from 'node:fs';

// Run it after `npm install` against a registry that lacks some of the tools' packages for other platforms: npm leaves
// those out of the lock in silence, and `npm ci` then refuses the lock ("Missing: … from lock file"). An entry that names
// its platform is enough: `npm ci` skips it wherever it does not fit.

interface LockEntry {
  version?: string;
  optionalDependencies?: Record<string, string>;
}

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockEntry> };
const paths = Object.keys(lock.packages);
const added: Record<string, LockEntry & { cpu: string[]; os: string[]; dev: true; optional: true }> = {};

for (const { optionalDependencies = {} } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (paths.some((path) => path.endsWith(`node_modules/${name}`))) continue;
    const os = /android|darwin|freebsd|openharmony|linux|win32|windows/.exec(name)?.[0];
    const cpu = /arm64|x64|ia32|ppc64|riscv64|s390x|loong64|arm/.exec(name)?.[0];
    if (os === undefined || cpu === undefined) throw new Error(`${name}: for which platform is it?`);
    added[`node_modules/${name}`] = {
      version: version.replace(/^[\^~]/, ''),
      cpu: [cpu],
      dev: true,
      ...(os === 'linux' && { libc: [name.includes('musl') ? 'musl' : 'glibc'] }),
      optional: true,
      os: [os === 'windows' ? 'win32' : os],
    };
  }
}

const packages = { ...lock.packages, ...added };
const sorted = Object.entries(packages).toSorted(([a], [b]) => a.localeCompare(b, 'en'));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
process.stdout.write(`${Object.keys(added).length} entries added\n`);
