import { hash } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import { columnText, exactJson } from '../column-text.ts';
import { type ContextRow, contextOf } from '../context-of.ts';
import type { RecentSet } from '../recent-set.ts';
import { attemptEndRow, attemptStartRow, itemValues, turnRow } from '../rows.ts';
import { sql } from '../sql.ts';
import type { StoredItem, TenantStore, TurnIntent, TurnStatus } from '../store.ts';
import type { Reader } from './reader.ts';
import { storedTurn, type TurnRow } from '../stored-turn.ts';
import type { Writer } from './writer.ts';

interface ResponseRow {
  status: TurnStatus;
  session_id: string;
  head: string | null;
  envelope: string | null;
  id: string | null;
  type: string;
  body: string;
  origin: string | null;
}

export interface TenantStoreParts {
  reader: Reader;
  writer: Writer;
  /**
   * Key of the envelopes' hashes, in hex: what two tenants share cannot be guessed from the file. A prefix does for a key
   * here, since nobody is shown a hash to extend, and costs a fifth of an HMAC on every turn.
   */
  envelopeKey: string;
  /** Hashes of envelopes that are in the database for sure, and need not be sent to the writer again. */
  knownEnvelopes: RecentSet;
}

/** One tenant's view of the database: reads on this thread, from what is committed; writes through the writer thread. */
export function createTenantStore(tenant: string, parts: TenantStoreParts): TenantStore {
  const { reader, writer, envelopeKey, knownEnvelopes } = parts;

  const hashOf = ({ store, envelope }: TurnIntent): string | null =>
    store && envelope !== '' ? hash('sha256', `${envelopeKey}\0${tenant}\0${envelope}`) : null;

  return {
    async beginTurn(intent) {
      const envelopeHash = hashOf(intent);
      const isNew = envelopeHash !== null && !knownEnvelopes.has(envelopeHash);
      const outcome = await writer.submit({
        kind: 'begin',
        tenant,
        id: intent.id,
        parent:
          intent.parent === undefined || intent.parent.keep === 0
            ? undefined
            : { id: intent.parent.id, keep: intent.parent.keep },
        turn: turnRow(tenant, intent, envelopeHash),
        envelope: isNew ? [tenant, envelopeHash, exactJson(intent.envelope)] : undefined,
        attempt: attemptStartRow(tenant, intent.id, intent.attempt),
        items: intent.store ? itemValues(intent.input) : [],
      });
      if (outcome === 'parent-not-found') {
        throw new GatewayError(
          'previous_response_not_found',
          `Previous response with id '${intent.parent?.id}' not found.`,
          {
            param: 'previous_response_id',
          },
        );
      }
      if (outcome === 'parent-too-short') {
        throw new GatewayError('internal_error', 'The turn keeps more of its parent than there is.');
      }
      if (isNew) knownEnvelopes.add(envelopeHash);
    },

    async nextAttempt(turnId, ended, started) {
      const begun = await writer.submit({
        kind: 'next-attempt',
        tenant,
        id: turnId,
        ended: attemptEndRow(tenant, turnId, ended),
        started: attemptStartRow(tenant, turnId, started),
      });
      if (!begun) throw new GatewayError('internal_error', 'The turn is not running any more.');
    },

    commitTurn(commit) {
      return writer.submit({
        kind: 'commit',
        tenant,
        id: commit.id,
        owner: commit.owner,
        epoch: commit.epoch,
        status: commit.status,
        head: exactJson(commit.head),
        items: itemValues(commit.output),
        attempt: attemptEndRow(tenant, commit.id, commit.attempt),
      });
    },

    async readContext(responseId) {
      return contextOf(reader.all<ContextRow>(sql.selectContext, tenant, responseId), true);
    },

    async readInput(responseId) {
      return contextOf(reader.all<ContextRow>(sql.selectContext, tenant, responseId), false)?.items;
    },

    async readResponse(responseId) {
      const rows = reader.all<ResponseRow>(sql.selectResponse, tenant, responseId);
      const [first] = rows;
      if (first === undefined) return undefined;
      const output: StoredItem[] = [];
      for (const { id, type, body, origin } of rows) if (id !== null) output.push({ id, type, body, origin });
      const { status, session_id: sessionId, head, envelope } = first;
      return { status, sessionId, head: head ?? '', envelope: envelope ?? '', output };
    },

    async readCost(responseId) {
      const [row] = reader.all<{ cost_nano_usd: number | null }>(sql.selectCost, tenant, responseId);
      return row?.cost_nano_usd ?? undefined;
    },

    async readEnvelope(turnId) {
      return reader.all<{ body: string }>(sql.selectEnvelope, tenant, turnId)[0]?.body;
    },

    async readItem(itemId) {
      return reader.all<StoredItem>(sql.selectItem, tenant, columnText(itemId))[0];
    },

    deleteResponse(responseId, nowMs) {
      return writer.submit({ kind: 'delete', tenant, id: responseId, nowMs });
    },

    async listSession(sessionId) {
      return reader.all<TurnRow>(sql.selectSession, tenant, columnText(sessionId)).map(storedTurn);
    },
  };
}
