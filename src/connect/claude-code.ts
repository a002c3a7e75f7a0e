import { join } from 'node:path';
import { anyKey, type ClientConfig } from './client-config.ts';
import { editJson } from './json-config.ts';

/** @see https://code.claude.com/docs/en/llm-gateway */
export const claudeCode: ClientConfig = {
  name: 'claude-code',
  title: 'Claude Code',
  fileOf: (env, home) => join(env['CLAUDE_CONFIG_DIR'] ?? join(home, '.claude'), 'settings.json'),
  needsModel: false,
  start: 'claude',
  edit(text, { url, key, model }) {
    const variables: Record<string, string> = { ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: key ?? anyKey };
    if (model !== undefined) {
      // What it asks for by itself: the conversation's model, and those of its helpers.
      for (const size of ['', 'DEFAULT_OPUS_', 'DEFAULT_SONNET_', 'DEFAULT_HAIKU_']) {
        variables[`ANTHROPIC_${size}MODEL`] = model;
      }
    }
    return editJson(
      text,
      Object.entries(variables).map(([name, value]) => [['env', name], value]),
    );
  },
};
