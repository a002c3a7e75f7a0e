import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { IdMint } from '../../core/ids.ts';
import { type BudgetStore, teamBudgetId } from '../../store/budget-store.ts';
import type { KeyStore, Team } from '../../store/key-store.ts';
import { adminBudgets, budgetField } from '../admin-budget.ts';
import { adminBody } from '../admin-body.ts';
import { adminPage, listText } from '../admin-list.ts';
import type { Route } from '../route.ts';
import { sendJson } from '../send-json.ts';

export interface AdminDependencies {
  keys: KeyStore;
  budgets: BudgetStore;
  ids: IdMint;
  nowMs: () => number;
  /** Called when keys, or what holds for them, have changed. */
  onChange: () => void;
}

/** Of teams and keys: text that can stand on one line. */
export const nameField = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u);

const createBody = z.object({ name: nameField, budget_usd: budgetField });
const changeBody = z.object({ name: nameField.optional(), budget_usd: budgetField });

/** Teams, for whoever has the master key. */
export function adminTeamRoutes({ keys, budgets, ids, nowMs, onChange }: AdminDependencies): Route[] {
  const limits = adminBudgets(budgets, teamBudgetId, ({ id }) => id);
  const readTeam = async (id: string): Promise<Team> => (await keys.readTeam(id)) ?? fail(teamNotFound(id));
  const sendTeam = async (response: ServerResponse, id: string) => {
    const [shown] = await limits.show([await readTeam(id)], teamObject);
    sendJson(response, JSON.stringify(shown));
  };

  return [
    {
      method: 'POST',
      path: '/admin/v1/teams',
      auth: 'master',
      content: 'json',
      async handle({ body, response }) {
        const { name, budget_usd: budget } = adminBody(createBody, await body());
        const createdAtMs = nowMs();
        const team = { id: ids.mint('team', createdAtMs), name, createdAtMs };
        if (!(await keys.createTeam(team))) throw nameTaken(name);
        await limits.set(team, budget);
        await sendTeam(response, team.id);
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/teams',
      auth: 'master',
      content: 'none',
      async handle({ query, response }) {
        const page = adminPage(query);
        const teams = await keys.listTeams({ ...page, limit: page.limit + 1 });
        sendJson(response, listText(await limits.show(teams, teamObject), page.limit));
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/teams/{id}',
      auth: 'master',
      content: 'none',
      async handle({ params, response }) {
        await sendTeam(response, params['id'] ?? '');
      },
    },
    {
      method: 'PATCH',
      path: '/admin/v1/teams/{id}',
      auth: 'master',
      content: 'json',
      async handle({ body, params, response }) {
        const id = params['id'] ?? '';
        const { name, budget_usd: budget } = adminBody(changeBody, await body());
        await readTeam(id);
        if (name !== undefined) {
          const outcome = await keys.renameTeam(id, name);
          if (outcome === 'not-found') throw teamNotFound(id);
          if (outcome === 'name-taken') throw nameTaken(name);
        }
        await limits.set({ id }, budget);
        onChange();
        await sendTeam(response, id);
      },
    },
    {
      method: 'DELETE',
      path: '/admin/v1/teams/{id}',
      auth: 'master',
      content: 'none',
      async handle({ params, response }) {
        const id = params['id'] ?? '';
        const outcome = await keys.deleteTeam(id);
        if (outcome === 'not-found') throw teamNotFound(id);
        if (outcome === 'has-keys') {
          throw new GatewayError('team_has_keys', 'The team has keys. Delete them before the team.');
        }
        sendJson(response, JSON.stringify({ id, object: 'team', deleted: true }));
      },
    },
  ];
}

export function fail(error: GatewayError): never {
  throw error;
}

/** @param param where a body names the team; undefined: its path does. */
export function teamNotFound(id: string, param = 'id'): GatewayError {
  return new GatewayError('team_not_found', `Team with id '${id.slice(0, 256)}' not found.`, { param });
}

function nameTaken(name: string): GatewayError {
  return new GatewayError('team_name_taken', `Another team has the name '${name}'.`, { param: 'name' });
}

function teamObject({ id, name, createdAtMs }: Team, budget: unknown) {
  return { id, object: 'team', name, created_at: Math.floor(createdAtMs / 1000), budget };
}
