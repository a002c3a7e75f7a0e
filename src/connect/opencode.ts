import { join } from 'node:path';
import { anyKey, type ClientConfig } from './client-config.ts';
import { editJson } from './json-config.ts';

/**
 * Through OpenAI's own package of the AI SDK, so that it speaks the Responses API.
 * @see https://opencode.ai/docs/providers
 */
export const opencode: ClientConfig = {
  name: 'opencode',
  title: 'opencode',
  fileOf: (env, home) => join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'opencode', 'opencode.json'),
  rivalOf: (file) => `${file}c`,
  needsModel: true,
  start: 'opencode',
  edit(text, { url, key, model = '' }) {
    const provider = {
      npm: '@ai-sdk/openai',
      name: 'Turnpike',
      options: { baseURL: `${url}/v1`, apiKey: key ?? anyKey },
      models: { [model]: { name: model } },
    };
    const schema: [string[], string][] = text === undefined ? [[['$schema'], 'https://opencode.ai/config.json']] : [];
    return editJson(text, [
      ...schema,
      [['provider', 'turnpike'], provider],
      [['model'], `turnpike/${model}`],
      [['small_model'], `turnpike/${model}`],
    ]);
  },
};
