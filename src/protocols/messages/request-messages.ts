import { GatewayError } from '../../core/errors.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import type { Report } from '../../core/report.ts';
import { isBlank, textBlock } from './request-content.ts';
import type { Block, Entry } from './request-items.ts';

interface WireMessage {
  role: 'user' | 'assistant' | 'system';
  blocks: Block[];
}

/** What an assistant said in one go, the results of its calls, and what users and systems said after it. */
interface Round {
  assistant: Block[];
  results: Block[];
  rest: WireMessage[];
}

/**
 * Rounds in order. Anthropic wants all results of a message's calls at the head of the message after it, wherever the
 * client put them: a result that comes late is moved up to its call, over what stands between.
 */
function roundsOf(entries: readonly Entry[], report: Report): Round[] {
  let round: Round = { assistant: [], results: [], rest: [] };
  const rounds = [round];
  const roundOfCall = new Map<string, Round>();
  for (const entry of entries) {
    if (entry.kind === 'output') {
      const owner = roundOfCall.get(entry.id);
      if (owner === undefined) throw new Error(`an output without its call: ${entry.id}`);
      if (owner !== round || round.rest.length > 0) {
        report.warn('input', 'Tool outputs were moved up to directly after their calls, as the upstream demands.');
      }
      owner.results.push(entry.block);
    } else if (entry.kind === 'user' || entry.kind === 'system') {
      const last = round.rest.at(-1);
      if (last?.role === entry.kind) last.blocks.push(...entry.blocks);
      else round.rest.push({ role: entry.kind, blocks: [...entry.blocks] });
    } else {
      if (round.results.length > 0 || round.rest.length > 0) {
        round = { assistant: [], results: [], rest: [] };
        rounds.push(round);
      }
      if (entry.kind === 'assistant') round.assistant.push(...entry.blocks);
      else {
        round.assistant.push(entry.block);
        roundOfCall.set(entry.id, round);
      }
    }
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
 * ends with a paused turn. System messages do not count as an answer.
 */
export function prefillOf(messages: readonly WireMessage[]): WireMessage | undefined {
  const last = messages.findLast((message) => message.role !== 'system');
  return last?.role === 'assistant' && last.blocks.every((block) => block.kind !== 'extension') ? last : undefined;
}

/**
 * Whether thinking cannot be on: the conversation ends in results of calls that were made without it, which Anthropic
 * refuses ("a final `assistant` message must start with a thinking block").
 */
export function endsInUnthoughtCalls(messages: readonly WireMessage[]): boolean {
  const spoken = messages.filter((message) => message.role !== 'system');
  const last = spoken.findLastIndex((message) => message.role === 'assistant');
  return spoken[last + 1]?.blocks[0]?.kind === 'tool_result' && spoken[last]?.blocks[0]?.kind !== 'thinking';
}

/**
 * @returns at least one message; user and assistant in turn.
 * @throws GatewayError where nothing is left to send.
 */
export function messagesOf(entries: readonly Entry[], report: Report): WireMessage[] {
  const messages: WireMessage[] = [];
  const push = (role: WireMessage['role'], blocks: Block[]): void => {
    const last = messages.at(-1);
    if (blocks.length === 0) return;
    if (last?.role === role) last.blocks.push(...blocks);
    else messages.push({ role, blocks: [...blocks] });
  };
  for (const { assistant, results, rest } of roundsOf(entries, report)) {
    push('assistant', withoutTrailingThinking(assistant, report));
    push('user', results);
    for (const { role, blocks } of rest) push(role, blocks);
  }
  const prefill = prefillOf(messages);
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
  if (messages[0]?.role !== 'user') {
    report.warn('input', 'The conversation does not begin with a user message; one that says "." was put before it.');
    messages.unshift({ role: 'user', blocks: [{ kind: 'said', json: textBlock('.') }] });
  }
  return messages;
}

export function printMessages(messages: readonly WireMessage[]): string {
  const texts = messages.map(({ role, blocks }) => {
    return `{"role":"${role}","content":[${blocks.map((block) => block.json).join(',')}]}`;
  });
  return `[${texts.join(',')}]`;
}
