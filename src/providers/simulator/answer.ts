import { createHash } from 'node:crypto';
import { chooseCalls } from './choose-calls.ts';
import { fillSchema } from './fill-schema.ts';
import { findSubjects } from './find-subjects.ts';
import { obey, summaryOf, sumUp, type Talk } from './obey.ts';
import { recall } from './recall.ts';
import { searchFor, type SearchBlock } from './search.ts';
import { segmentsOf, tokensIn } from './segments.ts';
import type { Signer } from './signature.ts';
import { blocksOf } from './turns.ts';
import type { Turn } from './turns.ts';
import type { ContentBlock, MessagesRequest } from './wire.ts';

export type AnswerBlock =
  /** `tokens` count what was thought, whether it is shown or not. */
  | { type: 'thinking'; thinking: string; signature: string; tokens: number }
  | { type: 'redacted_thinking'; data: string; tokens: number }
  | SearchBlock
  | { type: 'compaction'; content: string; signature: string }
  /** `input` is JSON; `complete` false: it was cut by max_tokens and is none. */
  | { type: 'tool_use'; id: string; name: string; input: string; complete: boolean };

export interface AnswerUsage {
  inputTokens: number;
  cacheReadTokens: number;
  cacheWrite5mTokens: number;
  cacheWrite1hTokens: number;
  outputTokens: number;
  /** Undefined: thinking was off. */
  thinkingTokens: number | undefined;
}

export interface Answer {
  id: string;
  model: string;
  blocks: AnswerBlock[];
  stopReason: 'end_turn' | 'tool_use' | 'max_tokens' | 'stop_sequence' | 'refusal' | 'pause_turn' | 'compaction';
  stopSequence: string | undefined;
  usage: AnswerUsage;
}

/** @see https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals */
export const refusalTrigger =
  'ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL_1FAEFB6177B4672DEE07F9D3AFC62588CCD2631EDCF22E8CCC1FB35B501C9C86';
/** @see https://platform.claude.com/docs/en/build-with-claude/extended-thinking */
export const redactedThinkingTrigger =
  'ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB';

const maxQuotedCharacters = 2000;

/** What the simulator says to a request that was not refused: the same to the same request, whether streamed or not. */
export function answerTo(request: MessagesRequest, turns: Turn[], signer: Signer): Answer {
  const seed = createHash('sha256')
    .update(JSON.stringify([request.model, request.system, request.tools, request.messages]))
    .digest('hex');
  const lastUser = turns.findLast(({ role }) => role === 'user');
  const asked = textOf(lastUser);
  const base = { id: `msg_01${token(seed, 'message', 22)}`, model: request.model };
  if (textOf(lastUser, Infinity).includes(refusalTrigger)) {
    const usage = { ...inputUsage(request), outputTokens: 1, thinkingTokens: undefined };
    return { ...base, blocks: [], stopReason: 'refusal', stopSequence: undefined, usage };
  }
  if (request.compaction) {
    const content = summaryOf(talkIn(turns));
    const block = { type: 'compaction' as const, content, signature: signer.sign(request.model, content, '') };
    const usage = { ...inputUsage(request), outputTokens: tokensIn(content), thinkingTokens: undefined };
    return { ...base, blocks: [block], stopReason: 'compaction', stopSequence: undefined, usage };
  }
  const answersResults = turns.at(-1) === lastUser && blocksOf(lastUser, 'tool_result').length > 0;
  const forced = request.tool_choice?.type === 'any' || request.tool_choice?.type === 'tool';
  const search = answersResults ? undefined : searchFor(asked, request, turns);
  const summary = sumUp(textOf(lastUser, Infinity), talkOf(turns));
  const calls =
    search !== undefined || summary !== undefined || (answersResults && asked === '' && !forced)
      ? []
      : chooseCalls(request, asked);
  const thoughts = think(
    request,
    asked,
    turns,
    calls.map(({ name }) => name),
    answersResults,
    signer,
  );
  const said: AnswerBlock[] =
    calls.length > 0
      ? calls.map(({ name, input }, place) => ({
          type: 'tool_use',
          id: `toolu_01${token(seed, `call ${place}`, 22)}`,
          name,
          input,
          complete: true,
        }))
      : (search?.blocks ?? [{ type: 'text', text: summary ?? sayText(request, asked, turns, answersResults) }]);
  const stopped = stopAtSequence(said, request.stop_sequences ?? []);
  const cut = cutAt([...thoughts, ...stopped.blocks], request, signer);
  const thinkingTokens = cut.blocks.reduce((sum, block) => sum + ('tokens' in block ? block.tokens : 0), 0);
  return {
    ...base,
    blocks: cut.blocks,
    stopReason: cut.isCut
      ? 'max_tokens'
      : stopped.sequence !== undefined
        ? 'stop_sequence'
        : calls.length > 0
          ? 'tool_use'
          : search?.isPaused === true
            ? 'pause_turn'
            : 'end_turn',
    stopSequence: cut.isCut ? undefined : stopped.sequence,
    usage: {
      ...inputUsage(request),
      outputTokens: cut.blocks.reduce((sum, block) => sum + tokensOf(block), 0),
      thinkingTokens: thoughts.length === 0 ? undefined : thinkingTokens,
    },
  };
}

/** The user's words in a turn; after results, only those that follow them. What a program put between tags is left out. */
function textOf(turn: Turn | undefined, most = maxQuotedCharacters): string {
  const blocks = turn?.blocks ?? [];
  const afterResults = blocks.findLastIndex(({ block }) => block.type === 'tool_result') + 1;
  const texts = blocks.slice(afterResults).flatMap(({ block }) => (block.type === 'text' ? [block.text] : []));
  const spoken = withoutTagged(withoutTagged(texts.join('\n'), 'system-reminder'), 'system').trim();
  return shorten(spoken, most);
}

/** Searched for, not matched by a pattern: time stays linear in a text of nothing but opening tags. */
function withoutTagged(text: string, tag: string): string {
  let kept = '';
  let from = 0;
  for (;;) {
    const open = text.indexOf(`<${tag}>`, from);
    const close = open < 0 ? -1 : text.indexOf(`</${tag}>`, open);
    if (close < 0) return kept + text.slice(from);
    kept += text.slice(from, open);
    from = close + tag.length + 3;
  }
}

function think(
  request: MessagesRequest,
  asked: string,
  turns: Turn[],
  calls: string[],
  answersResults: boolean,
  signer: Signer,
): AnswerBlock[] {
  const { thinking } = request;
  const isOn =
    thinking?.type === 'enabled' ||
    thinking?.type === 'adaptive' ||
    (thinking?.type === 'between_tools' && answersResults);
  if (!isOn) return [];
  const plan =
    calls.length > 0
      ? `I will call ${calls.join(' and ')}.`
      : answersResults
        ? 'The tools have answered, so I can answer from their results.'
        : 'I can answer this myself.';
  const text = `This is turn ${turns.length} of the conversation. ${asked === '' ? '' : `The user says: "${asked}" `}${plan}`;
  if (asked.includes(redactedThinkingTrigger)) {
    return [{ type: 'redacted_thinking', data: signer.sign(request.model, '', text), tokens: tokensIn(text) }];
  }
  const shown = 'display' in thinking && thinking.display === 'omitted' ? '' : text;
  return [
    { type: 'thinking', thinking: shown, signature: signer.sign(request.model, shown, text), tokens: tokensIn(text) },
  ];
}

function sayText(request: MessagesRequest, asked: string, turns: Turn[], answersResults: boolean): string {
  const results = answersResults ? resultsOf(turns) : '';
  const schema = request.output_config?.format?.schema ?? request.output_format?.schema;
  if (schema !== undefined) {
    const text = results || asked || 'Hello';
    const subject = findSubjects(text, new Set())[0] ?? text;
    const numbers = (text.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
    return JSON.stringify(fillSchema(schema, { subject, text, numbers }));
  }
  if (results !== '') return asked === '' ? results : `${results}\nYou also said: "${asked}".`;
  const earlier = turns
    .filter((turn) => turn.role === 'user')
    .slice(0, -1)
    .map((turn) => textOf(turn))
    .filter((text) => text !== '');
  const ordered = obey(asked, talkOf(turns));
  if (ordered !== undefined) return ordered;
  const recalled = recall(asked, earlier);
  if (recalled !== undefined) return recalled;
  const echo = asked === '' ? `You sent ${kindsIn(turns.at(-1))}.` : `You said: "${asked}".`;
  const before = request.messages.filter(({ role }) => role !== 'system').length - 1;
  return before > 0
    ? `${echo} I see ${before} earlier message${before === 1 ? '' : 's'} in this conversation.`
    : `${echo} I am a simulator: I remember this conversation, and I call tools when I am asked to.`;
}

/** Everything before the user's last words. */
function talkOf(turns: Turn[]): Talk {
  return { ...talkIn(turns.slice(0, -1)), toolResults: talkIn(turns).toolResults };
}

/** A compaction tells what was said before. */
function talkIn(turns: Turn[]): Talk {
  const told = turns.flatMap((turn) => blocksOf(turn, 'compaction').map(({ block }) => block.content ?? ''));
  const said = (role: Turn['role']) => turns.filter((turn) => turn.role === role).map((turn) => textOf(turn, Infinity));
  const results = turns.flatMap((turn) => blocksOf(turn, 'tool_result').map(({ block }) => resultText(block)));
  return {
    user: [...told, ...said('user')],
    assistant: said('assistant').filter((text) => text !== ''),
    toolResults: results,
  };
}

/** What the tools said, each by its name. */
function resultsOf(turns: Turn[]): string {
  const names = new Map(blocksOf(turns.at(-2), 'tool_use').map(({ block }) => [block.id, block.name]));
  return blocksOf(turns.at(-1), 'tool_result')
    .map(({ block }) => {
      const said = block.is_error === true ? 'failed' : 'says';
      return `${names.get(block.tool_use_id)} ${said}: ${resultText(block) || 'nothing'}`;
    })
    .join('\n');
}

function resultText({ content = [] }: Extract<ContentBlock, { type: 'tool_result' }>): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('\n');
}

function kindsIn(turn: Turn | undefined): string {
  const kinds = new Set((turn?.blocks ?? []).map(({ block }): ContentBlock['type'] => block.type));
  return kinds.size === 0 ? 'nothing' : `a message of ${[...kinds].join(' and ')}`;
}

function stopAtSequence(
  blocks: AnswerBlock[],
  sequences: string[],
): { blocks: AnswerBlock[]; sequence: string | undefined } {
  const [block] = blocks;
  if (block?.type !== 'text') return { blocks, sequence: undefined };
  const hits = sequences
    .map((sequence) => ({ sequence, at: block.text.indexOf(sequence) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => a.at - b.at);
  const [hit] = hits;
  if (hit === undefined) return { blocks, sequence: undefined };
  const text = block.text.slice(0, hit.at);
  return { blocks: text === '' ? [] : [{ type: 'text', text }], sequence: hit.sequence };
}

/** As much of the answer as max_tokens lets through: the block in which they end is cut short, what follows is not there. */
function cutAt(
  blocks: AnswerBlock[],
  request: MessagesRequest,
  signer: Signer,
): { blocks: AnswerBlock[]; isCut: boolean } {
  let left = request.max_tokens;
  const kept: AnswerBlock[] = [];
  for (const block of blocks) {
    const tokens = tokensOf(block);
    if (tokens > left) {
      // A call begins with its name: where that does not fit, there is no call yet.
      const least = block.type === 'tool_use' ? tokensIn(block.name) : 1;
      if (left >= least) kept.push(shortened(block, left, request.model, signer));
      return { blocks: kept, isCut: true };
    }
    left -= tokens;
    kept.push(block);
  }
  return { blocks: kept, isCut: request.max_tokens === 0 };
}

function shortened(block: AnswerBlock, tokens: number, model: string, signer: Signer): AnswerBlock {
  const most = tokens * 4;
  switch (block.type) {
    case 'text':
      return { ...block, text: shorten(block.text, most) };
    case 'tool_use':
      return { ...block, input: shorten(block.input, most - block.name.length), complete: false };
    case 'redacted_thinking':
    case 'compaction':
      return block;
    case 'server_tool_use':
    case 'web_search_tool_result':
      return { ...block, tokens };
    case 'thinking': {
      const thinking = shorten(block.thinking, most);
      return { ...block, thinking, signature: signer.sign(model, thinking, block.thinking), tokens };
    }
  }
}

function tokensOf(block: AnswerBlock): number {
  switch (block.type) {
    case 'text':
      return tokensIn(block.text);
    case 'compaction':
      return tokensIn(block.content);
    case 'tool_use':
      return tokensIn(block.name + block.input);
    default:
      return block.tokens;
  }
}

/**
 * A cache that needs no memory: what was sent before the last answer is read where it lies before the last breakpoint,
 * what is new before it is written.
 */
function inputUsage(request: MessagesRequest): Omit<AnswerUsage, 'outputTokens' | 'thinkingTokens'> {
  const segments = segmentsOf(request);
  const end = segments.findLastIndex(({ cacheControl }) => cacheControl !== undefined);
  const sum = (from: typeof segments): number => from.reduce((total, { tokens }) => total + tokens, 0);
  const prefix = segments.slice(0, end + 1);
  const written = sum(prefix.filter(({ sentBefore }) => !sentBefore));
  const isLong = segments[end]?.cacheControl?.ttl === '1h';
  return {
    inputTokens: sum(segments.slice(end + 1)),
    cacheReadTokens: sum(prefix.filter(({ sentBefore }) => sentBefore)),
    cacheWrite5mTokens: isLong ? 0 : written,
    cacheWrite1hTokens: isLong ? written : 0,
  };
}

/** At most so many UTF-16 units, without half a character at the end. */
function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function token(seed: string, purpose: string, length: number): string {
  const bytes = createHash('sha256').update(`${seed} ${purpose}`).digest();
  return Array.from({ length }, (_, index) => alphabet.charAt((bytes[index] ?? 0) % alphabet.length)).join('');
}
