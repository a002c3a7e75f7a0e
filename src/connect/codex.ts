import { join } from 'node:path';
import { type ClientConfig, ConnectError } from './client-config.ts';

const begin = '# >>> turnpike connect: `turnpike disconnect codex` takes this away';
const end = '# <<< turnpike connect';
const replaced = '# replaced by turnpike connect: ';

/**
 * TOML, which is not read here: what names the gateway goes above all else and below it, in marked blocks, and of the lines
 * above the first table those become comments that would say the same again.
 * @see https://developers.openai.com/codex/config-advanced
 */
export const codex: ClientConfig = {
  name: 'codex',
  title: 'Codex',
  fileOf: (env, home) => join(env['CODEX_HOME'] ?? join(home, '.codex'), 'config.toml'),
  needsModel: true,
  start: 'codex',
  edit(text = '', { url, key, model = '' }) {
    const newline = text.includes('\r\n') ? '\r\n' : '\n';
    const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
    const own = silenced(text.slice(mark.length), newline);
    const choice = [begin, `model = ${quote(model)}`, 'model_provider = "turnpike"', end, ''];
    const provider = [
      begin,
      '[model_providers.turnpike]',
      'name = "Turnpike"',
      `base_url = ${quote(`${url}/v1`)}`,
      'wire_api = "responses"',
      'supports_websockets = true',
      ...(key === undefined ? [] : [`experimental_bearer_token = ${quote(key)}`]),
      end,
      '',
    ];
    const gap = own === '' || own.endsWith('\n') ? '' : newline;
    return `${mark}${choice.join(newline)}${own}${gap}${provider.join(newline)}`;
  },
};

/** JSON's escapes are among those of a basic string of TOML. */
const quote = (text: string) => JSON.stringify(text);

const table = /^\s*\[\[?[\w\s."'-]+\]\]?\s*(?:#.*)?$/;
const ownTable = /^\s*\[\s*(?:model_providers|"model_providers"|'model_providers')\s*\.\s*["']?turnpike["']?\s*[.\]]/;
const choice = /^\s*(?:model|model_provider|profile|"model"|"model_provider"|'model'|'model_provider')\s*=/;
const dotted = /^\s*["']?model_providers["']?\s*[.=]/;

/** @throws ConnectError where a line cannot be told for what it is without reading all of TOML. */
function silenced(text: string, newline: string): string {
  const lines = text.split(newline);
  const firstTable = lines.findIndex((line) => table.test(line));
  const above = firstTable === -1 ? lines.length : firstTable;
  if (lines.some((line) => ownTable.test(line))) {
    throw new ConnectError('it has a [model_providers.turnpike] already');
  }
  lines.forEach((line, at) => {
    if (at >= above) return;
    if (/"""|'''/.test(line)) throw new ConnectError('there is a text of several lines above its first table');
    if (dotted.test(line)) throw new ConnectError("it sets 'model_providers' above its first table");
    if (choice.test(line)) lines[at] = replaced + line;
  });
  return lines.join(newline);
}
