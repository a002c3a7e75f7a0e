import { GatewayError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { tell } from '../core/item-events.ts';
import type { ContextItem, Item, Origin } from '../core/items.ts';
import type { TurnRequest } from '../core/request.ts';

/**
 * A summary as the next model reads it: said by the user, which every wire can carry at this place.
 * @param native what stands for it at the upstream that made it.
 */
export function summaryMessage(id: string, summary: string, native?: Origin): ContextItem {
  return { ...said(id, `${introduction}\n<summary>\n${summary}\n</summary>`), origin: native };
}

const introduction = 'The conversation up to here was compacted. This summary stands for what is no longer shown:';

export function isSummary(item: Item): boolean {
  const [part] = item.type === 'message' && item.role === 'user' ? item.content : [];
  return part?.type === 'input_text' && part.text.startsWith(introduction);
}

/** What ends the context of a turn that sums up. */
export function summaryPrompt(id: string): ContextItem {
  return said(
    id,
    `The conversation is about to be compacted: you will go on from your own summary and will not see again what it leaves out. Write that summary now, and nothing else. Do not answer what is still open, and call no tools.

Write down, with exact names, paths, numbers, identifiers and quotations where they matter:
1. what the user asked for and wants, with every later change of mind, and rules that were agreed on;
2. what has been done and found out, and what came of it, results of tool calls included;
3. the present state, errors that are not solved, and decisions with their reasons;
4. what was being done just now, and what is to be done next.`,
  );
}

function said(id: string, text: string): ContextItem {
  const content = [{ type: 'input_text' as const, text }];
  return { item: { type: 'message', id, status: 'completed', role: 'user', content }, origin: undefined };
}

/** What the upstream is asked for a summary with. The tools are named, since the history has calls of them; none is called. */
export function summaryRequest(request: TurnRequest): TurnRequest {
  return {
    ...request,
    toolChoice: request.tools.length === 0 ? 'auto' : 'none',
    textFormat: { type: 'text' },
    verbosity: undefined,
    reasoning: undefined,
    maxOutputTokens: undefined,
    maxToolCalls: undefined,
    topLogprobs: undefined,
    include: [],
  };
}

/**
 * Makes one compaction item of a reply that is a summary. All else of the reply goes on as it is.
 * @param seal of the summary; undefined: it is too long.
 */
export function createCompactor(emit: Emit, seal: (summary: string) => string | undefined): Emit {
  const messages = new Set<number>();
  let summary = '';

  return (event) => {
    switch (event.type) {
      case 'item-start':
        if (event.start.kind === 'message') messages.add(event.index);
        return;
      case 'item-delta':
        if (messages.has(event.index)) summary += event.delta;
        return;
      case 'part-start':
        // A refusal is no summary.
        if (event.kind !== 'output_text') messages.delete(event.index);
        return;
      case 'annotation':
      case 'part-end':
      case 'item-event':
      case 'response-event':
      case 'event-fields':
      case 'item-pause':
      case 'item-resume':
      case 'item-end':
        return;
      case 'response-end': {
        const envelope = event.finish === 'completed' && summary.trim() !== '' ? seal(summary.trim()) : undefined;
        if (envelope === undefined) {
          if (event.usage !== undefined) emit({ type: 'usage', usage: event.usage });
          emit({ type: 'error', error: new GatewayError('upstream_error', 'The model wrote no whole summary.') });
          return;
        }
        const item = { type: 'compaction', id: '', encrypted_content: '' } as const;
        emit({ type: 'item-start', index: 0, start: { kind: 'native', item } });
        tell(emit, 0, 'compaction.compacting', {});
        const native = { ...item, encrypted_content: envelope };
        emit({ type: 'item-end', index: 0, complete: true, source: '', native });
        emit(event);
        return;
      }
      case 'response-start':
      case 'usage':
      case 'warning':
      case 'error':
        emit(event);
        return;
    }
  };
}
