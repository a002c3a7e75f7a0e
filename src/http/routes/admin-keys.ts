import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { lastFour, mintVirtualKey } from '../../keys/virtual-key.ts';
import { keyBudgetId } from '../../store/budget-store.ts';
import type { StoredKey } from '../../store/key-store.ts';
import { adminBudgets, budgetField } from '../admin-budget.ts';
import { adminBody } from '../admin-body.ts';
import { hasBody } from '../check-request.ts';
import { adminPage, listText } from '../admin-list.ts';
import type { Route } from '../route.ts';
import { sendJson } from '../send-json.ts';
import { type AdminDependencies, fail, nameField, teamNotFound } from './admin-teams.ts';

export interface AdminKeyDependencies extends AdminDependencies {
  /** What is stored of a key. */
  hashKey: (key: string) => string;
}

const maxGraceSeconds = 7 * 24 * 3600;
/** In seconds since the epoch; the end of the year 9999. */
const timeField = z.int().min(0).max(253_402_300_799).nullish();

const createBody = z.object({
  name: nameField,
  team_id: z.string().nullish(),
  expires_at: timeField,
  budget_usd: budgetField,
});
const changeBody = z.object({
  name: nameField.optional(),
  blocked: z.boolean().optional(),
  expires_at: timeField,
  budget_usd: budgetField,
});
const rotateBody = z.object({ grace_seconds: z.int().min(0).max(maxGraceSeconds).optional() });

/** Virtual keys, for whoever has the master key. A key is shown once, in the answer that makes it. */
export function adminKeyRoutes({ keys, budgets, ids, nowMs, hashKey, onChange }: AdminKeyDependencies): Route[] {
  const limits = adminBudgets(budgets, keyBudgetId, ({ tenant }: Pick<StoredKey, 'id' | 'tenant'>) => tenant);
  const readKey = async (id: string): Promise<StoredKey> => (await keys.readKey(id)) ?? fail(keyNotFound(id));

  /** @param key to be shown, once. */
  const sendKey = async (response: ServerResponse, id: string, key?: string) => {
    const [shown] = await limits.show([await readKey(id)], keyObject);
    sendJson(response, JSON.stringify(key === undefined ? shown : { ...shown, key }));
  };

  return [
    {
      method: 'POST',
      path: '/admin/v1/keys',
      auth: 'master',
      content: 'json',
      async handle({ body, response }) {
        const { name, team_id: team, expires_at: expiresAt, budget_usd: budget } = adminBody(createBody, await body());
        if (typeof team === 'string' && (await keys.readTeam(team)) === undefined) throw teamNotFound(team, 'team_id');
        const createdAtMs = nowMs();
        const id = ids.mint('key', createdAtMs);
        const key = mintVirtualKey();
        // Before the key, which is else without a limit if this process ends in between.
        await limits.set({ id, tenant: team ?? id }, budget ?? undefined);
        const created = await keys.createKey({
          id,
          name,
          teamId: team ?? undefined,
          hash: hashKey(key),
          last4: lastFour(key),
          createdAtMs,
          expiresAtMs: milliseconds(expiresAt) ?? undefined,
        });
        if (!created) throw teamNotFound(team ?? '', 'team_id');
        onChange();
        await sendKey(response, id, key);
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/keys',
      auth: 'master',
      content: 'none',
      async handle({ query, response }) {
        const page = adminPage(query);
        const found = await keys.listKeys({ ...page, limit: page.limit + 1 });
        sendJson(response, listText(await limits.show(found, keyObject), page.limit));
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/keys/{id}',
      auth: 'master',
      content: 'none',
      async handle({ params, response }) {
        await sendKey(response, params['id'] ?? '');
      },
    },
    {
      method: 'PATCH',
      path: '/admin/v1/keys/{id}',
      auth: 'master',
      content: 'json',
      async handle({ body, params, response }) {
        const id = params['id'] ?? '';
        const { name, blocked, expires_at: expiresAt, budget_usd: budget } = adminBody(changeBody, await body());
        const changes = { name, blocked, expiresAtMs: milliseconds(expiresAt) };
        const changed = await keys.updateKey(id, changes, nowMs());
        if (changed) await limits.set(await readKey(id), budget);
        onChange();
        if (!changed) throw keyNotFound(id);
        await sendKey(response, id);
      },
    },
    {
      method: 'POST',
      path: '/admin/v1/keys/{id}/rotate',
      auth: 'master',
      content: 'none',
      async handle({ request, body, params, response }) {
        const id = params['id'] ?? '';
        const { grace_seconds: graceSeconds = 0 } = adminBody(rotateBody, hasBody(request) ? await body() : {});
        const previousUntilMs = graceSeconds === 0 ? undefined : nowMs() + 1000 * graceSeconds;
        const key = mintVirtualKey();
        const rotated = await keys.rotateKey(id, hashKey(key), lastFour(key), previousUntilMs);
        onChange();
        if (!rotated) throw keyNotFound(id);
        await sendKey(response, id, key);
      },
    },
    {
      method: 'DELETE',
      path: '/admin/v1/keys/{id}',
      auth: 'master',
      content: 'none',
      async handle({ params, response }) {
        const id = params['id'] ?? '';
        const deleted = await keys.deleteKey(id, nowMs());
        onChange();
        if (!deleted) throw keyNotFound(id);
        sendJson(response, JSON.stringify({ id, object: 'key', deleted: true }));
      },
    },
  ];
}

function keyNotFound(id: string): GatewayError {
  return new GatewayError('key_not_found', `Key with id '${id.slice(0, 256)}' not found.`, { param: 'id' });
}

/** Field by field: what is not named here is shown to nobody. */
function keyObject(key: StoredKey, budget: unknown) {
  return {
    id: key.id,
    object: 'key',
    name: key.name,
    team_id: key.teamId ?? null,
    last4: key.last4,
    created_at: seconds(key.createdAtMs),
    expires_at: seconds(key.expiresAtMs),
    blocked: key.blockedAtMs !== undefined,
    previous_key_expires_at: seconds(key.previousUntilMs),
    budget,
  };
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}

function milliseconds<T extends null | undefined>(timeSeconds: number | T): number | T {
  return typeof timeSeconds === 'number' ? 1000 * timeSeconds : timeSeconds;
}
