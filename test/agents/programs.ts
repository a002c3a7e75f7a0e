import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('node_modules/', import.meta.url));

/** The programs themselves: the launchers around them want to have run scripts when they were installed. */
const programs = {
  codex: '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex',
  claude: '@anthropic-ai/claude-code-linux-x64/claude',
  opencode: 'opencode-linux-x64/bin/opencode',
};

/** @throws Error where it was not installed: a test that cannot be run has failed. */
export function programOf(name: keyof typeof programs): string {
  const path = modules + programs[name];
  if (!existsSync(path)) throw new Error(`${name} is not there: run \`npm run agents\` first`);
  return path;
}
