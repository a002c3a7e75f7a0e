import { pendingOutput } from '../../core/async-calls.ts';
import { GatewayError } from '../../core/errors.ts';
import { objectMembers, printMembers, sliceJson } from '../../core/json-slice.ts';
import type { Report } from '../../core/report.ts';
import { isBlank, textBlock, textBlocks } from './request-content.ts';
import type { Block, Entry, SystemEntry, UserEntry } from './request-items.ts';

export interface WireMessage {
  role: 'user' | 'assistant' | 'system';
  blocks: Block[];
  /** Members beside these two, each with a comma before it. */
  words?: string;
}

/** What an assistant said in one go, the results of its calls, and what users and systems said after it. */
interface Round {
  assistant: Block[];
  results: Block[];
  rest: (UserEntry | SystemEntry)[];
}

/**
 * Rounds in order. Anthropic wants all results of a message's calls at the head of the message after it, wherever the
 * client put them: a result that comes late is moved up to its call, over what stands between.
 */
function roundsOf(entries: readonly Entry[], report: Report): Round[] {
  let round: Round = { assistant: [], results: [], rest: [] };
  const rounds = [round];
  const roundOfCall = new Map<string, Round>();
  const open = new Map<string, Round>();
  for (const entry of entries) {
    if (entry.kind === 'output') {
      const owner = roundOfCall.get(entry.id);
      if (owner === undefined) throw new Error(`an output without its call: ${entry.id}`);
      if (owner !== round || round.rest.length > 0) {
        report.warn('input', 'Tool outputs were moved up to directly after their calls, as the upstream demands.');
      }
      owner.results.push(entry.block);
      open.delete(entry.id);
    } else if (entry.kind === 'user' || entry.kind === 'system') {
      round.rest.push(entry);
    } else {
      if (round.results.length > 0 || round.rest.length > 0) {
        round = { assistant: [], results: [], rest: [] };
        rounds.push(round);
      }
      if (entry.kind === 'assistant') round.assistant.push(...entry.blocks);
      else {
        round.assistant.push(entry.block);
        roundOfCall.set(entry.id, round);
        open.set(entry.id, round);
      }
    }
  }
  for (const [id, { results }] of open) {
    const names = `"tool_use_id":${JSON.stringify(id)},"content":${JSON.stringify(pendingOutput)}`;
    results.push({ kind: 'tool_result', json: `{"type":"tool_result",${names}}` });
  }
  return rounds;
}

function dropThinking(blocks: Block[], isDropped: (at: number) => boolean, report: Report): Block[] {
  return blocks.filter((block, at) => {
    if (block.kind !== 'thinking' || !isDropped(at)) return true;
    if (block.itemId !== undefined) report.removed(block.itemId, 'turn_boundary');
    return false;
  });
}

/** Anthropic refuses a message that ends in thinking: what was thought for was cut off, refused or blank. */
function withoutTrailingThinking(blocks: Block[], report: Report): Block[] {
  const lastSaid = blocks.findLastIndex((block) => block.kind !== 'thinking');
  return dropThinking(blocks, (at) => at > lastSaid, report);
}

/** A conversation that ends with the model's own text is continued by it; such a text may not end in white space. */
function trimPrefill(block: Block, report: Report): Block {
  const members = objectMembers(block.json);
  const text: unknown = JSON.parse(members?.get('text') ?? 'null');
  if (block.kind !== 'text' || members === undefined || typeof text !== 'string') return block;
  const trimmed = text.trimEnd();
  if (trimmed === text || isBlank(trimmed)) return block;
  report.warn('input', 'White space at the end of the final assistant message was left out.');
  members.set('text', JSON.stringify(trimmed));
  return { ...block, json: printMembers(members) };
}

/**
 * The model's own words, where the conversation ends with them for it to go on from; undefined where it does not, or
 * ends with a paused turn.
 */
export function prefillOf(messages: readonly WireMessage[]): WireMessage | undefined {
  const last = messages.at(-1);
  return last?.role === 'assistant' && last.blocks.at(-1)?.kind !== 'extension' ? last : undefined;
}

/**
 * Whether thinking cannot be on: the conversation ends in results of calls that were made without it, which Anthropic
 * refuses ("a final `assistant` message must start with a thinking block").
 */
export function endsInUnthoughtCalls(messages: readonly WireMessage[]): boolean {
  const last = messages.findLastIndex((message) => message.role === 'assistant');
  const first = messages[last]?.blocks.find(({ kind }) => kind !== 'compaction');
  return messages[last + 1]?.blocks[0]?.kind === 'tool_result' && first?.kind !== 'thinking';
}

const systemMoved = 'System messages were moved to after the user messages beside them, as the upstream demands.';

const said = (json: string): Block => ({ kind: 'said', json });

function systemBlocks({ texts, breakpoint }: SystemEntry, report: Report): Block[] {
  const blocks = texts.flatMap((text) => textBlocks(text, report)).map(said);
  return blocks.map((block, at) => (at === blocks.length - 1 ? { ...block, breakpoint } : block));
}

function taggedBlocks({ role, texts, breakpoint, own }: SystemEntry, report: Report): Block[] {
  if ((own?.words ?? '') !== '') report.warn('input', `What a ${role} message says beside its text was left out.`);
  if (texts.length === 0) return [];
  report.warn('input', `A ${role} message inside the conversation was sent as user text in <system> tags.`);
  return [{ ...said(textBlock(`<system>${texts.join('\n')}</system>`)), breakpoint }];
}

/** Whether Anthropic takes a system message after this one. */
function canPrecedeSystem(message: WireMessage | undefined): boolean {
  if (message?.role !== 'assistant') return message !== undefined;
  const last = message.blocks.at(-1);
  return last?.kind === 'extension' && sliceJson(last.json, ['type']) === '"server_tool_use"';
}

/**
 * @param goesOn the model is to go on from its own last words, where the conversation ends with them.
 * @param takesSystem the model takes system messages: between a user and an assistant message, or at the end. They are
 * moved there over what users say. Where no user message stands beside them, they are user text in tags, as for other
 * models.
 * @returns at least one message; user and assistant in turn.
 * @throws GatewayError where nothing is left to send.
 * @see https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
 */
export function messagesOf(
  entries: readonly Entry[],
  { takesSystem, goesOn }: { takesSystem: boolean; goesOn: boolean },
  report: Report,
): WireMessage[] {
  const messages: WireMessage[] = [];
  let waiting: SystemEntry[] = [];
  const push = (role: WireMessage['role'], blocks: Block[]): void => {
    const last = messages.at(-1);
    if (blocks.length === 0) return;
    if (last?.role === role) last.blocks.push(...blocks);
    else messages.push({ role, blocks: [...blocks] });
  };
  /** An assistant message is next, or nothing. */
  const placeWaiting = (): void => {
    if (waiting.length === 0) return;
    const canBeSystem = canPrecedeSystem(messages.at(-1));
    for (const entry of waiting) {
      if (!canBeSystem) push('user', taggedBlocks(entry, report));
      else if (entry.own === undefined) push('system', systemBlocks(entry, report));
      else messages.push({ role: 'system', blocks: entry.own.blocks.map(said), words: entry.own.words });
    }
    waiting = [];
  };
  for (const { assistant, results, rest } of roundsOf(entries, report)) {
    const words = withoutTrailingThinking(assistant, report);
    if (words.length > 0) placeWaiting();
    push('assistant', words);
    push('user', results);
    for (const entry of rest) {
      if (entry.kind === 'user') {
        if (waiting.length > 0) report.warn('input', systemMoved);
        push('user', entry.blocks);
      } else if (takesSystem) waiting.push(entry);
      else push('user', taggedBlocks(entry, report));
    }
  }
  placeWaiting();
  const prefill = goesOn ? prefillOf(messages) : undefined;
  if (prefill !== undefined) {
    prefill.blocks = dropThinking(prefill.blocks, () => true, report);
    const final = prefill.blocks.pop();
    if (final !== undefined) prefill.blocks.push(trimPrefill(final, report));
  }
  if (messages.length === 0) {
    throw new GatewayError('invalid_value', 'The input holds nothing that can be sent to the model.', {
      param: 'input',
    });
  }
  const [first] = messages;
  if (first?.role !== 'user' && first?.blocks[0]?.kind !== 'compaction') {
    report.warn('input', 'The conversation does not begin with a user message; one that says "." was put before it.');
    messages.unshift({ role: 'user', blocks: [said(textBlock('.'))] });
  }
  return messages;
}

export function printMessages(messages: readonly WireMessage[]): string {
  // Not joined, which would copy all of it twice.
  let text = '';
  for (const { role, blocks, words = '' } of messages) {
    text += `${text === '' ? '[' : ','}{"role":"${role}","content":[`;
    for (const [at, { json }] of blocks.entries()) text += at === 0 ? json : `,${json}`;
    text += `]${words}}`;
  }
  return `${text}]`;
}
