import type { StoredTurn, TurnStatus } from './store.ts';

/** A row of `sql.selectSession`. */
export interface TurnRow {
  id: string;
  parent: string | null;
  session_id: string;
  status: TurnStatus;
  model: string;
  input_count: number;
  output_count: number;
  input_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  cache_write_hour_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  estimated: number;
  cost_nano_usd: number;
}

export function storedTurn(row: TurnRow): StoredTurn {
  return {
    id: row.id,
    parentId: row.parent ?? undefined,
    sessionId: row.session_id,
    status: row.status,
    model: row.model,
    inputItems: row.input_count,
    outputItems: row.output_count,
    usage: {
      inputTokens: row.input_tokens,
      cachedTokens: row.cached_tokens,
      cacheWriteTokens: row.cache_write_tokens,
      cacheWriteHourTokens: row.cache_write_hour_tokens,
      outputTokens: row.output_tokens,
      reasoningTokens: row.reasoning_tokens,
      estimated: row.estimated === 1,
    },
    costNanoUsd: row.cost_nano_usd,
  };
}
