import type { Reply } from '../codec.ts';
import { blocksOf, showsThinking, textBlock } from './encode-blocks.ts';
import { refusalOf, stopOf } from './encode-stop.ts';
import { usageOf } from './encode-usage.ts';

/** A message up to its content. @param model as the client named it. */
export function messageHead({ state: { id, request } }: Reply): string {
  return `{"id":${JSON.stringify(id)},"type":"message","role":"assistant","model":${JSON.stringify(request.model)},"content":[`;
}

/**
 * A plain answer's body: the response under its one id.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function encodeReply(reply: Reply): string {
  const { state, output } = reply;
  const isThinkingShown = showsThinking(state);
  const blocks = output.flatMap((finished) => blocksOf(finished, isThinkingShown));
  const refusal = shownRefusal(reply);
  if (refusal !== undefined) blocks.push(textBlock(refusal));
  const rest = `"container":null,"usage":${usageOf(state, state.usage)}`;
  return `${messageHead(reply)}${blocks.join(',')}],${stopOf(state, output)},${rest}}`;
}

/** What the model itself said in refusing, which is its answer; what a filter stopped is told of at the end only. */
export function shownRefusal({ state, output }: Reply): string | undefined {
  return state.incompleteReason === 'content_filter' ? undefined : refusalOf(output);
}
