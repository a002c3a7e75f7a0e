import { createFrameReader, type FrameShape } from '../../core/frame-reader.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { objectMembers, printMembers, replaceMembers } from '../../core/json-slice.ts';
import type { DecodeOptions, FrameForwarder, Reply, VerbatimLane } from '../codec.ts';
import { createCallCompleter } from './complete-calls.ts';
import { fitsDialect } from './fits-dialect.ts';
import { wordPaths } from './wire.ts';

const done = '[DONE]';

/**
 * Chat in and chat out. What is changed on the way in: `model`; `store` and `metadata`, which are the gateway's own, are taken out;
 * the limit has the name that the upstream knows it by; a stream is asked for its usage, which is the bill. On the way out: `id`
 * and `model`, the usage that the client did not ask for, and what a tool call lacks that clients cannot do without.
 */
export const chatVerbatim = {
  patchRequest(body, model, request, profile) {
    const members = objectMembers(body) ?? new Map<string, string>();
    if (!fitsDialect(members, request, profile)) return undefined;
    for (const name of ['store', 'metadata']) members.delete(name);
    members.set('model', JSON.stringify(model));
    if (request.stream && profile.quirks?.refuses?.includes('stream_options') !== true) {
      const options = objectMembers(members.get('stream_options') ?? '') ?? new Map<string, string>();
      members.set('stream_options', printMembers(options.set('include_usage', 'true')));
    } else members.delete('stream_options');
    return printMembers(withLimit(members, profile.maxTokensField));
  },
  wordPaths,
  createForwarder,
  patchReply: (body, reply) => replaceMembers(body, changesOf(body, reply)),
} satisfies VerbatimLane;

/** A limit under the name that the upstream knows; null is none. */
function withLimit(members: Map<string, string>, field: string): Map<string, string> {
  const entries = [...members].flatMap(([name, value]): [string, string][] => {
    if (name !== 'max_tokens' && name !== 'max_completion_tokens') return [[name, value]];
    return value === 'null' ? [] : [[field, value]];
  });
  return new Map(entries);
}

function namesOf({ state }: Reply): Map<string, string> {
  return new Map([
    ['id', JSON.stringify(state.id)],
    ['model', JSON.stringify(state.request.model)],
  ]);
}

function changesOf(body: string, reply: Reply): Map<string, string> {
  const choices = body.includes('"tool_calls"') ? parseJsonObject(body)?.['choices'] : undefined;
  const completed = Array.isArray(choices) ? createCallCompleter()(choices.filter(isJsonObject)) : undefined;
  return withChoices(namesOf(reply), completed);
}

function withChoices(changes: Map<string, string>, choices: JsonObject[] | undefined): Map<string, string> {
  return choices === undefined ? changes : new Map(changes).set('choices', JSON.stringify(choices));
}

function createForwarder(reply: Reply, { frames = createFrameReader(wordPaths) }: DecodeOptions): FrameForwarder {
  const names = namesOf(reply);
  const tellsUsage = reply.state.request.usageInStream === true;
  /** Choices that have said why they stopped. */
  const ended = new Set<unknown>();
  const complete = createCallCompleter();
  let begun = false;
  let before = '';
  let kept = '';
  /** The last frame that went on as it came, under our names: how it begins, and to how much of the upstream's text that is due. */
  let shown: { shape: FrameShape; event: string; head: string } | undefined;

  return {
    frame(event, data) {
      // Ours to write, when the answer is stored. To parse it would be an error, which takes V8 as long as thirty frames.
      if (data === done) return '';
      const chunk = frames.read(data);
      // Of what cannot be read an error is made elsewhere.
      if (chunk === undefined) return '';
      if (shown !== undefined && frames.shape() === shown.shape && event === shown.event) {
        return shown.head + data.slice(shown.shape.headLength) + '\n\n';
      }
      const choices = Array.isArray(chunk['choices']) ? chunk['choices'].filter(isJsonObject) : [];
      if (choices.length === 0 && isJsonObject(chunk['usage']) && !tellsUsage) return '';
      const completed = complete(choices);
      const text = frameText(event, replaceMembers(data, withChoices(names, completed)));
      for (const choice of choices) if (isGiven(choice['finish_reason'])) ended.add(choice['index'] ?? 0);
      const isEnd = choices.some((choice) => ended.has(choice['index'] ?? 0));
      if (isEnd || (choices.length === 0 && ended.size > 0)) {
        kept += before + text;
        before = '';
        shown = undefined;
        return '';
      }
      begun ||= choices.some(({ delta }) => isJsonObject(delta) && saysSomething(delta));
      const held = before + text;
      before = begun ? '' : held;
      if (!begun) return '';
      const shape = frames.shape();
      const tail = shape === undefined ? '' : `${data.slice(shape.headLength)}\n\n`;
      if (shape !== undefined && completed === undefined && text.endsWith(tail)) {
        shown = { shape, event, head: text.slice(0, text.length - tail.length) };
      }
      return held;
    },
    rest() {
      const text = `${before}${kept}data: ${done}\n\n`;
      before = '';
      kept = '';
      return text;
    },
  };
}

/** JSON can stand on several lines; each is a line of data. */
function frameText(event: string, data: string): string {
  return `${event === '' ? '' : `event: ${event}\n`}data: ${data.replaceAll('\n', '\ndata: ')}\n\n`;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** More than a role. */
function saysSomething({ role: _role, ...delta }: JsonObject): boolean {
  return Object.values(delta).some((value) => isGiven(value) && !(Array.isArray(value) && value.length === 0));
}
