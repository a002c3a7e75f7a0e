import { GatewayError } from '../core/errors.ts';
import type { IdMint } from '../core/ids.ts';
import { createPieces } from '../core/pieces.ts';
import type { TurnRequest } from '../core/request.ts';
import { tokenCount } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import type { Deployment, Transport, UpstreamRequest } from '../providers/provider.ts';
import { isAmong } from '../routing/deployment-name.ts';
import type { Router } from '../routing/router.ts';
import { estimateInputTokens } from '../spend/estimate-input.ts';
import type { TenantStore } from '../store/store.ts';
import { type ClientCredential, errorWithoutCredential, lendCredential, lentRefused } from './lend-credential.ts';
import { type History, resolveHistory } from './resolve-history.ts';
import { sentContext, sentRequest } from './sent-context.ts';
import { summaryRequest } from './summary.ts';

export interface CountDependencies {
  router: Router;
  ids: IdMint;
  nowMs: () => number;
}

export interface TokenCount {
  inputTokens: number;
  warnings: Warning[];
}

/** A count is asked for before a turn, by somebody who waits: it is no reason to wait as long as for an answer. */
const timeouts = { firstByteMs: 20_000, idleMs: 10_000 };

/**
 * Tokens of the input that a turn would have: by the upstream's own counter where it has one, else by estimate. The state is
 * read as for a turn, and nothing is written.
 * @param signal the client has gone.
 * @param credential what the caller lends, where a deployment wants it.
 * @throws GatewayError as the turn would, up to its first attempt, and what the counter fails with.
 */
export async function countInputTokens(
  { router, ids, nowMs }: CountDependencies,
  store: TenantStore,
  given: TurnRequest,
  signal: AbortSignal,
  credential: ClientCredential | undefined,
): Promise<TokenCount> {
  const history = await resolveHistory(store, given, ids, nowMs());
  let failure: GatewayError | undefined;
  const refused: Deployment[] = [];
  for (const deployment of router.route(given.model, history.pinned)) {
    if (isAmong(refused, deployment)) continue;
    try {
      return await countAt(deployment, history, signal, credential);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.retryable === false) throw error;
      if (error.retryable === 'elsewhere') refused.push(deployment);
      failure = error;
    }
  }
  throw failure ?? new GatewayError('no_healthy_deployment', 'No deployment of the model can be asked.');
}

async function countAt(
  deployment: Deployment,
  history: History,
  signal: AbortSignal,
  credential: ClientCredential | undefined,
): Promise<TokenCount> {
  const { provider, model, profile } = deployment;
  const request = history.request.compaction === undefined ? history.request : summaryRequest(history.request);
  const { inheritedTools, report } = history;
  const context = sentContext(history, provider.codec.protocol);
  // Encoded in any case: what a turn would be refused for is refused here too.
  const sent = sentRequest(request, inheritedTools, provider.codec.protocol);
  const encoded = provider.codec.encodeRequest({ ...sent, context, model, profile });
  const warnings = [...report.warnings, ...encoded.warnings];
  const counter = provider.counter;
  if (counter !== undefined) {
    const headers = request.protocol === provider.codec.protocol ? request.headers : undefined;
    const upstream = lendCredential(counter.buildRequest(deployment, encoded.body, headers), deployment, credential);
    const bounded = { ...upstream, timeouts: { ...upstream.timeouts, ...timeouts } };
    const reply = await send(provider.transport, bounded, signal);
    const { status } = reply;
    // Not every server that speaks a protocol has its counter.
    if (status !== 404 && status !== 405 && status !== 501) {
      const { body } = reply;
      if (status !== 200) {
        const error = lentRefused(provider.codec.decodeError(status, reply.headers, body), deployment);
        throw errorWithoutCredential(error, upstream, deployment);
      }
      const inputTokens = tokenCount(counter.readCount(body));
      if (inputTokens !== undefined) return { inputTokens, warnings };
      throw new GatewayError('upstream_invalid_response', "The upstream's count cannot be read.", { retryable: true });
    }
  }
  const tools = request.tools.length === 0 ? inheritedTools : request.tools;
  const inputTokens = await estimateInputTokens({ ...request, tools }, history.context);
  const message = "The upstream has no counter: this is an estimate by OpenAI's tokenizer.";
  return { inputTokens, warnings: [{ param: 'input_tokens', message }, ...warnings] };
}

interface WholeReply {
  status: number;
  headers: Record<string, string | undefined>;
  body: string;
}

/** A count is a few bytes, an error not many more. */
const maxReplyBytes = 1024 * 1024;

function send(transport: Transport, request: UpstreamRequest, signal: AbortSignal): Promise<WholeReply> {
  return new Promise((resolve, reject) => {
    const pieces = createPieces();
    let bytes = 0;
    let status = 0;
    let headers: WholeReply['headers'] = {};
    const giveUp = (error: GatewayError) => {
      call.abort();
      reject(error);
    };
    const call = transport.send(request, {
      onHeaders(receivedStatus, receivedHeaders) {
        status = receivedStatus;
        headers = receivedHeaders;
      },
      onData(chunk) {
        bytes += chunk.length;
        if (bytes <= maxReplyBytes) pieces.push(chunk);
        else giveUp(new GatewayError('upstream_invalid_response', 'The upstream sent more than the gateway takes.'));
      },
      onEnd: () => resolve({ status, headers, body: pieces.whole().toString('utf8') }),
      onError: reject,
    });
    const leave = () => giveUp(new GatewayError('request_timeout', 'The client has gone.'));
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave);
  });
}
