import type { FinishedItem } from '../../core/response.ts';
import type { Warning } from '../../core/warning.ts';
import type { Reply } from '../codec.ts';
import { blocksOf, ownBlocks } from './encode-blocks.ts';

/** What other vendors' own tools did and what their answers cite: the stored response has it. */
export function unsaid({ output }: Reply): Warning[] {
  const types = new Set(output.filter(isUnsaid).map(({ item }) => item.type));
  const warnings = [...types].map((type) => told(`What the upstream says in an item of type ${type}`));
  return output.some(citesUnsaid) ? [...warnings, told('What the answer cites')] : warnings;
}

function told(what: string): Warning {
  return { param: 'model', message: `${what} has no word in this API; GET /v1/responses/{id} tells it.` };
}

/** Reasoning is told to who asks for it, and text that is empty needs no telling. */
function isUnsaid(finished: FinishedItem): boolean {
  const { type } = finished.item;
  return type !== 'reasoning' && type !== 'message' && blocksOf(finished, true).length === 0;
}

function citesUnsaid(finished: FinishedItem): boolean {
  const { item } = finished;
  if (item.type !== 'message' || !('content' in item) || ownBlocks(finished) !== undefined) return false;
  return item.content.some((part) => part.type === 'output_text' && part.annotations.length > 0);
}
