import type { ContextItem, Protocol } from '../core/items.ts';
import { withoutMessagesWords } from '../core/messages-words.ts';
import { withFiles } from './attach-files.ts';
import { withFunctions, withoutMessagesTools } from '../core/messages-tools.ts';
import type { Tool, TurnRequest } from '../core/request.ts';
import type { History } from './resolve-history.ts';

/** The context as an upstream of this protocol is to see it: with files by value, and no words that are another protocol's. */
export function sentContext({ context, files }: History, protocol: Protocol): ContextItem[] {
  const whole = withFiles(context, files);
  return protocol === 'messages' ? whole : withoutMessagesWords(whole);
}

/** What is asked of it, and the tools of an ancestor, in the same way. */
export function sentRequest(request: TurnRequest, inheritedTools: Tool[], protocol: Protocol) {
  return protocol === 'messages'
    ? { request, inheritedTools }
    : { request: withoutMessagesTools(request), inheritedTools: withFunctions(inheritedTools) };
}
