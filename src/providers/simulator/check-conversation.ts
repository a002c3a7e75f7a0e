import type { Signer } from './signature.ts';
import { blocksOf } from './turns.ts';
import type { PlacedBlock, Turn } from './turns.ts';
import type { ContentBlock, MessagesRequest } from './wire.ts';

const holders: Record<ContentBlock['type'], 'user' | 'assistant' | 'system' | 'either'> = {
  text: 'either',
  image: 'user',
  document: 'user',
  search_result: 'user',
  tool_result: 'user',
  container_upload: 'user',
  thinking: 'assistant',
  redacted_thinking: 'assistant',
  tool_use: 'assistant',
  server_tool_use: 'assistant',
  web_search_tool_result: 'assistant',
  web_fetch_tool_result: 'assistant',
  advisor_tool_result: 'assistant',
  code_execution_tool_result: 'assistant',
  bash_code_execution_tool_result: 'assistant',
  text_editor_code_execution_tool_result: 'assistant',
  tool_search_tool_result: 'assistant',
  mcp_tool_use: 'assistant',
  mcp_tool_result: 'assistant',
  mcp_tool_listing: 'either',
  compaction: 'either',
  fallback: 'assistant',
  tool_addition: 'system',
  tool_removal: 'system',
};

export function blockRoleProblem(turns: Turn[]): string | undefined {
  for (const { role, blocks } of turns) {
    for (const { block, path } of blocks) {
      const holder = holders[block.type];
      if (holder !== 'either' && holder !== role) {
        return `${path}: \`${block.type}\` blocks can only be in \`${holder}\` messages`;
      }
    }
  }
  return undefined;
}

/** @see https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages */
export function systemPlacementProblem({ messages }: MessagesRequest): string | undefined {
  for (const [index, { role }] of messages.entries()) {
    if (role !== 'system') continue;
    const before = messages[index - 1];
    const after = messages[index + 1];
    const lastBlock = typeof before?.content === 'string' ? undefined : before?.content?.at(-1);
    if (before?.role !== 'user' && lastBlock?.type !== 'server_tool_use') {
      return `messages.${index}: role 'system' must follow a 'user' message`;
    }
    if (after !== undefined && after.role !== 'assistant') {
      return `messages.${index}: role 'system' must precede an 'assistant' message or end the array`;
    }
  }
  return undefined;
}

export function contentProblem({ messages }: MessagesRequest): string | undefined {
  for (const [index, message] of messages.entries()) {
    if ((message.content ?? '').length > 0) continue;
    if (message.role === 'user') return `messages.${index}: user messages must have non-empty content`;
    const says = message.role === 'system' ? message.output_config?.effort : index === messages.length - 1;
    if (!says) {
      return `messages.${index}: all messages must have non-empty content except for the optional final assistant message`;
    }
  }
  return undefined;
}

export function textProblem({ messages, system }: MessagesRequest): string | undefined {
  if (Array.isArray(system) && system.some(({ text }) => text === '')) {
    return 'system: text content blocks must be non-empty';
  }
  for (const { content } of messages) {
    const blocks =
      typeof content === 'string' ? (content === '' ? [] : [{ type: 'text' as const, text: content }]) : content;
    for (const block of blocks ?? []) {
      if (block.type === 'tool_result' && Array.isArray(block.content)) {
        if (block.content.some((inner) => inner.type === 'text' && inner.text === '')) {
          return 'messages: text content blocks must be non-empty';
        }
      }
      if (block.type !== 'text') continue;
      if (block.text === '') return 'messages: text content blocks must be non-empty';
      if (block.text.trim() === '') return 'messages: text content blocks must contain non-whitespace text';
    }
  }
  return undefined;
}

export function duplicateIdProblem(turns: Turn[]): string | undefined {
  const seen = new Set<string>();
  for (const { block, path } of turns.flatMap((turn) => blocksOf(turn, 'tool_use'))) {
    if (seen.has(block.id)) return `${path}: \`tool_use\` ids must be unique`;
    seen.add(block.id);
  }
  return undefined;
}

export function strayResultProblem(turns: Turn[]): string | undefined {
  for (const [index, turn] of turns.entries()) {
    const calls = new Set(blocksOf(turns[index - 1], 'tool_use').map(({ block }) => block.id));
    for (const { block, path } of blocksOf(turn, 'tool_result')) {
      if (calls.has(block.tool_use_id)) continue;
      return (
        `${path}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. ` +
        'Each `tool_result` block must have a corresponding `tool_use` block in the previous message.'
      );
    }
  }
  return undefined;
}

export function duplicateResultProblem(turns: Turn[]): string | undefined {
  for (const turn of turns) {
    const seen = new Set<string>();
    for (const { block, path } of blocksOf(turn, 'tool_result')) {
      if (seen.has(block.tool_use_id)) {
        return `${path}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with id: ${block.tool_use_id}`;
      }
      seen.add(block.tool_use_id);
    }
  }
  return undefined;
}

export function missingResultProblem(turns: Turn[]): string | undefined {
  return unansweredProblem(turns, (blocks) => blocks);
}

/** Other blocks may follow the results, never precede them: the API then does not see them as results at all. */
export function lateResultProblem(turns: Turn[]): string | undefined {
  return unansweredProblem(turns, (blocks) => {
    const end = blocks.findIndex(({ block }) => block.type !== 'tool_result');
    return end < 0 ? blocks : blocks.slice(0, end);
  });
}

function unansweredProblem(turns: Turn[], answering: (blocks: PlacedBlock[]) => PlacedBlock[]): string | undefined {
  for (const [index, turn] of turns.entries()) {
    const answered = new Set(
      answering(turns[index + 1]?.blocks ?? []).map(({ block }) =>
        block.type === 'tool_result' ? block.tool_use_id : '',
      ),
    );
    const calls = blocksOf(turn, 'tool_use').filter(({ block }) => !answered.has(block.id));
    if (calls.length === 0) continue;
    const message = calls[0]?.path.split('.').slice(0, 2).join('.');
    return (
      `${message}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ` +
      `${calls.map(({ block }) => block.id).join(', ')}. ` +
      'Each `tool_use` block must have a corresponding `tool_result` block in the next message.'
    );
  }
  return undefined;
}

export function serverResultProblem(turns: Turn[]): string | undefined {
  const calls = { server_tool_use: new Set<string>(), mcp_tool_use: new Set<string>() };
  for (const { block, path } of turns.flatMap(({ blocks }) => blocks)) {
    if (block.type === 'server_tool_use' || block.type === 'mcp_tool_use') calls[block.type].add(block.id);
    if (!('tool_use_id' in block) || block.type === 'tool_result') continue;
    const call = block.type === 'mcp_tool_result' ? 'mcp_tool_use' : 'server_tool_use';
    if (!calls[call].has(block.tool_use_id)) {
      return (
        `${path}: unexpected \`tool_use_id\` found in \`${block.type}\` blocks: ${block.tool_use_id}. ` +
        `Each \`${block.type}\` block must have a corresponding \`${call}\` block before it.`
      );
    }
  }
  return undefined;
}

export function signatureProblem(turns: Turn[], signer: Signer, model: string): string | undefined {
  const forged = turns
    .flatMap((turn) => blocksOf(turn, 'thinking'))
    .find(({ block }) => !signer.verify(model, block.thinking, block.signature));
  return forged === undefined ? undefined : `${forged.path}: Invalid \`signature\` in \`thinking\` block`;
}

export function redactedThinkingProblem(turns: Turn[], signer: Signer, model: string): string | undefined {
  const forged = turns
    .flatMap((turn) => blocksOf(turn, 'redacted_thinking'))
    .find(({ block }) => !signer.verify(model, '', block.data));
  return forged === undefined ? undefined : `${forged.path}: Invalid \`data\` in \`redacted_thinking\` block`;
}

/** Adaptive thinking asks for none: only a model with a budget wants its last thoughts back. */
export function missingThinkingProblem(turns: Turn[]): string | undefined {
  const last = turns.at(-1);
  const turn = last?.role === 'assistant' ? last : blocksOf(last, 'tool_result').length > 0 ? turns.at(-2) : undefined;
  const first = turn?.blocks[0];
  if (first === undefined || first.block.type === 'thinking' || first.block.type === 'redacted_thinking')
    return undefined;
  return (
    `${first.path}.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first.block.type}\`. ` +
    'When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost ' +
    'set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid ' +
    'this requirement, disable `thinking`. Please consult our documentation at ' +
    'https://docs.claude.com/en/docs/build-with-claude/extended-thinking'
  );
}

/** @see https://platform.claude.com/docs/en/build-with-claude/compaction */
export function compactionProblem(turns: Turn[], signer: Signer, model: string): string | undefined {
  const [first, ...more] = turns.flatMap((turn) => blocksOf(turn, 'compaction')).filter(({ block }) => isSigned(block));
  if (first === undefined) return undefined;
  if (more.length > 0) return '`messages` holds more than one `compaction` block with content';
  if (first.block !== turns[0]?.blocks[0]?.block) {
    return `${first.path}: the \`compaction\` block must be the first block of the conversation`;
  }
  return verifiesCompaction(first.block, signer, model)
    ? undefined
    : `${first.path}: Invalid \`signature\` in \`compaction\` block`;
}

type Compaction = Extract<ContentBlock, { type: 'compaction' }>;

/** Those of edits bear no signature, and are under no such rule. */
export function isSigned({ signature }: Compaction): boolean {
  return typeof signature === 'string';
}

function verifiesCompaction({ content, signature }: Compaction, signer: Signer, model: string): boolean {
  return signer.verify(model, content ?? '', signature ?? '');
}
