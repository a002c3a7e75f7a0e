import { GatewayError } from '../core/errors.ts';
import type { ContextItem, NativeItem, Origin } from '../core/items.ts';
import { isJsonObject, parseJsonObject } from '../core/json-object.ts';
import { responsesCodec } from '../protocols/responses/index.ts';
import { estimateInputTokens } from '../spend/estimate-input.ts';
import { splitLastRound } from './compact-context.ts';
import { openCompaction, sealCompaction } from './compaction-envelope.ts';
import { pairToolCalls } from './pair-tool-calls.ts';
import { type History, withoutUpdates } from './resolve-history.ts';
import { summaryMessage } from './summary.ts';
import type { TurnCall, TurnDependencies, TurnSink } from './turn.ts';

/**
 * Where the client set a threshold and the context has passed it: a history whose older part is a summary. The summary is a
 * turn of its own, with its own row of spend, which takes the same way as any other. Where it fails the history is as it
 * was, and the client is told: a context that is long is no reason not to answer.
 * @param runTurn the path itself, handed over because the two need each other.
 */
export async function compactFirst(
  dependencies: TurnDependencies,
  call: TurnCall,
  history: History,
  runTurn: (dependencies: TurnDependencies, call: TurnCall) => Promise<void>,
): Promise<History> {
  const { compactThreshold, compaction, generate } = history.request;
  if (compactThreshold === undefined || compaction !== undefined || !generate) return history;
  if ((await estimateInputTokens(history.request, history.context)) <= compactThreshold) return history;
  const { compactable, head, tail } = splitLastRound(history.shown);
  // A summary alone, or nothing, cannot be made any shorter.
  if (compactable.length - head.length < 2) return history;
  // Both turns are of one session, also where it begins with them.
  const sessionId = history.sessionId ?? call.sessionId ?? dependencies.ids.mint('sess', dependencies.nowMs());
  try {
    const { summary, native } = await sumUp(dependencies, { ...call, sessionId }, history, compactable, runTurn);
    const envelope = sealCompaction(call.store.seal, {
      summary,
      ...(native === undefined ? {} : { native }),
      head,
      tail,
      keepsUsers: false,
    });
    if (envelope === undefined)
      throw new GatewayError('upstream_error', 'What was just said is too long to be sealed.');
    const lead: NativeItem = { type: 'compaction', id: '', encrypted_content: envelope };
    const usedCallIds = new Set<string>();
    const context = pairToolCalls(withoutUpdates([...head, summaryMessage('', summary, native), ...tail]), usedCallIds);
    return { ...history, sessionId, context, usedCallIds, lead };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'store_unavailable') throw error;
    history.report.warn('context_management', `The context could not be compacted: ${error.message}`);
    return history;
  }
}

async function sumUp(
  dependencies: TurnDependencies,
  call: TurnCall,
  { request, inheritedTools }: History,
  compactable: ContextItem[],
  runTurn: (dependencies: TurnDependencies, call: TurnCall) => Promise<void>,
): Promise<{ summary: string; native?: Origin }> {
  const { compactThreshold: _threshold, ...rest } = request;
  const answer = collectAnswer(call.sink);
  await runTurn(dependencies, {
    ...call,
    request: {
      ...rest,
      input: compactable.map(({ item }) => item),
      tools: request.tools.length === 0 ? inheritedTools : request.tools,
      previousResponseId: undefined,
      conversationId: undefined,
      store: false,
      stream: false,
      background: false,
      compaction: 'summary',
    },
    idempotency: undefined,
    local: undefined,
    background: undefined,
    client: responsesCodec,
    sink: answer.sink,
  });
  const output: unknown = parseJsonObject(answer.text())?.['output'];
  const [item] = Array.isArray(output) ? (output as unknown[]) : [];
  const compaction = isJsonObject(item) ? openCompaction(call.store.seal, item['encrypted_content']) : undefined;
  if (compaction?.summary === undefined) throw new GatewayError('upstream_error', 'The model wrote no whole summary.');
  return compaction;
}

/** Takes a plain answer in place of a client, who can still leave meanwhile. */
function collectAnswer(client: TurnSink): { sink: TurnSink; text: () => string } {
  let text = '';
  let isLeft = false;
  const sink: TurnSink = {
    get closed() {
      return isLeft || client.closed;
    },
    start() {},
    write(written) {
      text += written;
      return true;
    },
    end(written) {
      text += written;
    },
    onClose: () => {},
    onDrain: () => {},
  };
  client.onClose = () => {
    isLeft = true;
    sink.onClose();
  };
  return { sink, text: () => text };
}
