import type { BetaTool } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { parseJsonObject } from '../../core/json-object.ts';
import { fillSchema } from './fill-schema.ts';
import { findSubjects } from './find-subjects.ts';
import type { MessagesRequest } from './wire.ts';

export interface PlannedCall {
  name: string;
  /** JSON: the arguments that the text spells out, to the letter, else made from the tool's schema. */
  input: string;
}

interface Mention {
  tool: BetaTool;
  at: number;
  input: string | undefined;
}

/** Anthropic's own, whose schema is not sent along. All that is ever done with it is to look. */
const computer: BetaTool = {
  name: 'computer',
  description: 'Screenshot, mouse and keyboard.',
  input_schema: { type: 'object', properties: { action: { enum: ['screenshot'] } }, required: ['action'] },
};

/** Words of tool names and descriptions that say nothing about what the tool is for. */
const commonWords = new Set(
  (
    'get set put add run make create update delete list fetch all new current tool tools function call use user with this that from ' +
    'into your their will when where which what about have does given takes return returns returned used using based provide ' +
    'provides value values name names data information some more than each other only also first last text string number input ' +
    'output result results optional required must should would could able very said tell told them they then there here over ' +
    'under just like want need known'
  ).split(' '),
);
const asksForTool = /\b(?:call|use|using|invoke|tools?|function)\b/i;
const asksForSeveral = /\b(?:both|parallel|each|and)\b/i;
const asksTwice = /\b(?:parallel|twice|two (?:calls|times))\b/i;

/**
 * The calls that a text asks for; none where it asks for none. A tool is meant by its name, else by a word of its name,
 * else by one of its description, else ("use a tool") as the first one offered. Several are called where several are
 * named, or where one is asked about several subjects.
 */
export function chooseCalls(request: MessagesRequest, text: string): PlannedCall[] {
  const choice = request.tool_choice ?? { type: 'auto' };
  const forced = choice.type === 'any' || choice.type === 'tool';
  const tools = (request.tools ?? []).flatMap((tool): BetaTool[] => {
    const called = 'input_schema' in tool ? tool : 'display_width_px' in tool ? computer : undefined;
    return called === undefined || (choice.type === 'tool' && called.name !== choice.name) ? [] : [called];
  });
  const [first] = tools;
  if (choice.type === 'none' || first === undefined) return [];
  const mentions = meantTools(tools, text);
  if (mentions.length === 0 && (forced || asksForTool.test(text)))
    mentions.push({ tool: first, at: 0, input: undefined });
  const calls = plan(mentions, text, tools);
  return choice.disable_parallel_tool_use === true ? calls.slice(0, 1) : calls;
}

function plan(mentions: Mention[], text: string, tools: BetaTool[]): PlannedCall[] {
  const [only] = mentions;
  const subjects = findSubjects(text, new Set(tools.map(({ name }) => name.toLowerCase())));
  const numbers = (text.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
  const callFor = ({ tool, input }: Mention, subject: string): PlannedCall => ({
    name: tool.name,
    input: input ?? JSON.stringify(fillSchema(tool.input_schema, { subject, text, numbers })),
  });
  if (mentions.length !== 1 || only === undefined || only.input !== undefined) {
    return mentions.map((mention) => callFor(mention, subjects[0] ?? text));
  }
  const about = subjects.length > 1 || !asksTwice.test(text) ? subjects : [...subjects, ...subjects];
  return about.map((subject) => callFor(only, subject));
}

function meantTools(tools: BetaTool[], text: string): Mention[] {
  const named = tools.flatMap((tool) => mentionsOf(tool, text)).toSorted((a, b) => a.at - b.at);
  const spelledOut = named.filter(({ input }) => input !== undefined);
  if (spelledOut.length > 0) return spelledOut;
  if (named.length > 0)
    return named.filter((mention, index) => named.findIndex(({ tool }) => tool === mention.tool) === index);
  const words = new Set(wordsOf(text));
  const byName = best(tools, words, ({ name }) => name);
  const [byNameFirst] = byName;
  if (byNameFirst !== undefined) return asksForSeveral.test(text) ? byName : [byNameFirst];
  return best(tools, words, ({ description = '' }) => description.split(/[.!?\n]/)[0] ?? '').slice(0, 1);
}

/** Tools that share a word with the text, those that share most first. */
function best(tools: BetaTool[], words: ReadonlySet<string>, textOf: (tool: BetaTool) => string): Mention[] {
  return tools
    .map((tool) => ({ tool, score: new Set(wordsOf(textOf(tool)).filter((word) => words.has(word))).size }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
    .map(({ tool }) => ({ tool, at: 0, input: undefined }));
}

function wordsOf(text: string): string[] {
  return text
    .replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/gu, ' ')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .map((word) => (word.length > 4 && word.endsWith('s') ? word.slice(0, -1) : word))
    .filter((word) => word.length > 2 && !commonWords.has(word));
}

/** Every place where the tool's name stands, as it is or with spaces between its words. */
function mentionsOf(tool: BetaTool, text: string): Mention[] {
  const spoken =
    tool.name
      .split(/[_-]+/)
      .filter((word) => word !== '')
      .join('[ _-]') || tool.name;
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_-])(?:${tool.name}|${spoken})(?![\\p{L}\\p{N}_-])`, 'giu');
  return [...text.matchAll(pattern)].map((match) => ({
    tool,
    at: match.index,
    input: argumentsAfter(text, match.index + match[0].length),
  }));
}

/** The JSON object that follows a tool's name: `call add with {"a": 1}`. */
function argumentsAfter(text: string, from: number): string | undefined {
  const start = /^[\s:(]*(?:with[\s:]*)?(?=\{)/i.exec(text.slice(from, from + 40));
  if (start === null) return undefined;
  const begin = from + start[0].length;
  let depth = 0;
  for (const match of text.slice(begin).matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    depth += match[0] === '{' ? 1 : match[0] === '}' ? -1 : 0;
    if (depth > 0) continue;
    const json = text.slice(begin, begin + match.index + 1);
    return parseJsonObject(json) === undefined ? undefined : json;
  }
  return undefined;
}
