import type { StoredContextItem } from '../store/store.ts';
import type { LocalResponse } from './read-past.ts';
import type { LocalChain } from './turn.ts';

/** Not stored: it lies in no bucket. */
const nowhere = -1;

/** @param maxCharacters of what is remembered; a longer context is forgotten, as if the connection had ended. */
export function createLocalChain(maxCharacters: number): LocalChain {
  let newest: { id: string; response: LocalResponse } | undefined;
  return {
    find: (responseId) => (newest?.id === responseId ? newest.response : undefined),

    remember({ id, sessionId, history, reply, storedOutput }, deployment) {
      const { status, request } = reply.state;
      newest = undefined;
      if (request.store || (status !== 'completed' && status !== 'incomplete')) return;
      const own = [...history.input, ...storedOutput].map((item): StoredContextItem => ({
        ...item,
        turnId: id,
        envelope: null,
      }));
      const items = [...history.ancestors, ...own];
      const characters = items.reduce((sum, { body, origin }) => sum + body.length + (origin?.length ?? 0), 0);
      if (characters > maxCharacters) return;
      const tools = request.tools.length > 0 ? request.tools : history.inheritedTools;
      const { length } = items;
      const context = { bucket: nowhere, status, sessionId, anchor: id, depth: 0, deployment, length, items };
      newest = { id, response: { context, tools } };
    },

    evict(responseId) {
      if (newest?.id === responseId) newest = undefined;
    },
  };
}
