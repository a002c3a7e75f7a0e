import type { ContextItem, Protocol } from '../core/items.ts';
import { withoutMessagesWords } from '../core/messages-words.ts';
import { withFiles } from './attach-files.ts';
import type { History } from './resolve-history.ts';

/** The context as an upstream of this protocol is to see it: with files by value, and no words that are another protocol's. */
export function sentContext({ context, files }: History, protocol: Protocol): ContextItem[] {
  const whole = withFiles(context, files);
  return protocol === 'messages' ? whole : withoutMessagesWords(whole);
}
