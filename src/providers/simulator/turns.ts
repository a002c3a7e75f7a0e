import type { ContentBlock, MessagesRequest } from './wire.ts';

export interface PlacedBlock {
  block: ContentBlock;
  /** Where it stands in the body, as error messages say it: `messages.2.content.0`. */
  path: string;
}

/** Consecutive messages of one role, which the API reads as one. System messages inside the conversation are no turn. */
export interface Turn {
  role: 'user' | 'assistant';
  blocks: PlacedBlock[];
}

/** @see https://platform.claude.com/docs/en/build-with-claude/working-with-messages */
export function turnsOf(request: MessagesRequest): Turn[] {
  const turns: Turn[] = [];
  for (const [index, message] of request.messages.entries()) {
    if (message.role === 'system') continue;
    const path = `messages.${index}.content`;
    const blocks: PlacedBlock[] =
      typeof message.content === 'string'
        ? [{ block: { type: 'text', text: message.content }, path }]
        : message.content.map((block, place) => ({ block, path: `${path}.${place}` }));
    const last = turns.at(-1);
    if (last?.role === message.role) last.blocks.push(...blocks);
    else turns.push({ role: message.role, blocks });
  }
  return turns;
}

export function blocksOf<T extends ContentBlock['type']>(
  turn: Turn | undefined,
  type: T,
): { block: Extract<ContentBlock, { type: T }>; path: string }[] {
  const found: { block: Extract<ContentBlock, { type: T }>; path: string }[] = [];
  for (const { block, path } of turn?.blocks ?? []) {
    if (isOfType(block, type)) found.push({ block, path });
  }
  return found;
}

function isOfType<T extends ContentBlock['type']>(
  block: ContentBlock,
  type: T,
): block is Extract<ContentBlock, { type: T }> {
  return block.type === type;
}
