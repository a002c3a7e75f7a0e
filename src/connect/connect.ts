import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isJsonObject } from '../core/json-object.ts';
import { reasonOf } from '../core/reason-of.ts';
import { serverAddress } from '../core/server-address.ts';
import { claudeCode } from './claude-code.ts';
import { type ClientConfig, ConnectError, type Settings } from './client-config.ts';
import { codex } from './codex.ts';
import { openConfigFile } from './config-file.ts';
import { opencode } from './opencode.ts';

const clients: readonly ClientConfig[] = [codex, claudeCode, opencode];
export const clientNames: readonly string[] = clients.map(({ name }) => name);

export interface ConnectOptions {
  client: string;
  /** With or without `/v1`. */
  url: string;
  key: string | undefined;
  /** Undefined: the first that the gateway lists, the simulator only where there is no other. */
  model: string | undefined;
  /** False: it is only shown. */
  save: boolean;
  env: Readonly<Record<string, string | undefined>>;
  write: (text: string) => void;
}

/**
 * Shows how a client is told of the gateway, or tells it.
 * @throws Error whose message is for the user.
 */
export async function connect({ client, url, key, model, save, env, write }: ConnectOptions): Promise<void> {
  const config = clientOf(client);
  const base = serverAddress(url, '--url');
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) throw new ConnectError('--key must be printable ASCII');
  if (model !== undefined && !/^[^\p{Cc}]+$/u.test(model)) throw new ConnectError('--model must be on one line');
  const settings: Settings = { url: base, key, model: model ?? (await chooseModel(config, base, key)) };
  const path = config.fileOf(env, homeOf(env));
  // A pattern's models are in no list: the simulator may be the only one there though a real one could be named.
  const remark =
    model === undefined && settings.model === simulatorName
      ? `${base} lists no model but the simulator; --model names another.\n`
      : '';
  if (!save) {
    write(`# ${path}\n${shown(config, settings)}`);
    write(
      `\n${remark}Nothing is written yet: add --write, and \`turnpike disconnect ${config.name}\` takes it back.\n`,
    );
    return;
  }
  try {
    const rival = config.rivalOf?.(path);
    if (rival !== undefined && existsSync(rival)) throw new ConnectError(`${rival} comes before it`);
    const file = openConfigFile(path);
    file.write(config.edit(textOf(file.original), settings));
    write(`${path} names ${base}${settings.model === undefined ? '' : ` and the model ${settings.model}`}.\n${remark}`);
    if (key !== undefined && file.isOpen) write(`It holds the key, and others can read it: chmod 600 ${path}\n`);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    write(`# to be put into ${path} by hand:\n${shown(config, settings)}`);
    throw new ConnectError(`${path} is left as it is: ${error.message}`);
  }
  write(
    `Start ${config.title} with: ${config.start}\n\`turnpike disconnect ${config.name}\` puts back what was there.\n`,
  );
}

export interface DisconnectOptions {
  client: string;
  force: boolean;
  env: Readonly<Record<string, string | undefined>>;
  write: (text: string) => void;
}

/** @throws ConnectError */
export function disconnect({ client, force, env, write }: DisconnectOptions): void {
  const config = clientOf(client);
  const path = config.fileOf(env, homeOf(env));
  try {
    const kept = openConfigFile(path).restore(force);
    write(`${path} is what it was before.\n`);
    if (kept !== undefined) write(`What had been made of it since is in ${kept}\n`);
  } catch (error) {
    throw error instanceof ConnectError ? new ConnectError(`${path}: ${error.message}`) : error;
  }
}

function clientOf(name: string): ClientConfig {
  const found = clients.find((client) => client.name === name);
  if (found === undefined) throw new ConnectError(`unknown client ${name}; known: ${clientNames.join(', ')}`);
  return found;
}

const homeOf = (env: ConnectOptions['env']) => env['HOME'] ?? homedir();

/** The file that there would be without any, with as much of the key as tells one from another. */
function shown(config: ClientConfig, settings: Settings): string {
  const { key } = settings;
  const masked = key === undefined ? undefined : key.length < 12 ? '…' : `${key.slice(0, 3)}…${key.slice(-4)}`;
  return config.edit(undefined, { ...settings, key: masked });
}

function textOf(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ConnectError('it is not UTF-8');
  }
}

/** A name that a gateway serves whose clients may go on with Claude's own names. */
const claudeName = 'claude-sonnet-4-5';
const simulatorName = 'simulator';

/** @returns undefined where the client's own names are served. */
async function chooseModel(config: ClientConfig, base: string, key: string | undefined): Promise<string | undefined> {
  const list = await ask(base, '/v1/models', key);
  const data: unknown[] = isJsonObject(list) && Array.isArray(list['data']) ? list['data'] : [];
  const names = data.flatMap((each) => (isJsonObject(each) && typeof each['id'] === 'string' ? [each['id']] : []));
  if (!config.needsModel && (await ask(base, `/v1/models/${claudeName}`, key)) !== undefined) return undefined;
  const name = names.find((each) => each !== simulatorName) ?? names[0];
  if (name !== undefined) return name;
  throw new ConnectError(`${base} lists no model: say with --model which one is meant`);
}

/** Undefined: 404. */
async function ask(base: string, path: string, key: string | undefined): Promise<unknown> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const answer = await fetch(`${base}${path}`, { headers, redirect: 'error' }).catch((error: unknown) => {
    const why = reasonOf(error);
    throw new ConnectError(`${base} cannot be asked for its models (${why}): start it, or name one with --model`);
  });
  if (answer.status === 404) return undefined;
  if (answer.status === 401)
    throw new ConnectError(`${base} wants ${key === undefined ? 'a key: give --key' : 'another key'}`);
  if (!answer.ok) throw new ConnectError(`${base} answered ${answer.status} to GET ${path}`);
  try {
    return await answer.json();
  } catch (cause) {
    throw new ConnectError(`${base} answered GET ${path} with what is no JSON: is it a gateway?`, { cause });
  }
}
