import type { ContextItem } from '../core/items.ts';
import type { Report } from '../core/report.ts';
import type { TurnRequest } from '../core/request.ts';
import { configurationOf } from '../protocols/responses/configuration-update.ts';

/**
 * The request with the settings of the context's `configuration_update` items: each holds until a later one replaces it, on
 * every turn of the chain. They stand in the conversation, so they win over the parameters that a client sends every time.
 */
export function applyConfiguration(request: TurnRequest, context: readonly ContextItem[], report: Report): TurnRequest {
  let { reasoning, textFormat } = request;
  for (const { item } of context) {
    if (item.type !== 'configuration_update') continue;
    const update = configurationOf(item, 'input');
    if (update.effort !== undefined) reasoning = { summary: reasoning?.summary ?? null, effort: update.effort };
    if (update.textFormat !== undefined) textFormat = update.textFormat;
  }
  const overrules = (param: string) => report.warn(param, 'A configuration_update in the conversation overrules it.');
  const asked = request.reasoning?.effort ?? null;
  if (asked !== null && reasoning?.effort !== asked) overrules('reasoning.effort');
  if (request.textFormat.type !== 'text' && JSON.stringify(request.textFormat) !== JSON.stringify(textFormat)) {
    overrules('text.format');
  }
  return { ...request, reasoning, textFormat };
}
