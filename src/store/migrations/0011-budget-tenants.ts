import { type Kysely, sql } from 'kysely';
import type { SchemaDialect } from './0001-begin.ts';

type Engine = SchemaDialect['engine'];

/** A table that gets a tenant, first in its key. */
interface Table {
  name: string;
  /** Of before, with their types. */
  columns: readonly string[];
  /** The primary key of before. */
  key: string;
}

const tables: readonly Table[] = [
  {
    name: 'budgets',
    columns: ['id text NOT NULL', 'limit_nano_usd bigint', 'spent_nano_usd bigint NOT NULL DEFAULT 0'],
    key: 'id',
  },
  {
    name: 'budget_leases',
    columns: ['budget_id text NOT NULL', 'owner text NOT NULL', 'granted_nano_usd bigint NOT NULL'],
    key: 'budget_id, owner',
  },
  {
    name: 'reservations',
    columns: [
      'attempt_id text NOT NULL',
      'budget_id text NOT NULL',
      'owner text NOT NULL',
      'amount_nano_usd bigint NOT NULL',
      'settled_nano_usd bigint',
    ],
    key: 'attempt_id, budget_id',
  },
  {
    name: 'budget_charges',
    columns: [
      'attempt_id text NOT NULL',
      'budget_id text NOT NULL',
      'amount_nano_usd bigint NOT NULL',
      'created_at_ms bigint NOT NULL',
    ],
    key: 'attempt_id, budget_id',
  },
];

/**
 * The tenant of a budget, as far as the database knows: a team is one, and a key has one. What the configuration says of a key it
 * says at the start of a process, which then moves the budget.
 */
const tenantOfBudget = (id: string) => `CASE WHEN substr(${id}, 1, 5) = 'team:' THEN substr(${id}, 6)
    ELSE COALESCE((SELECT k.tenant FROM keys k WHERE k.id = substr(${id}, 5)), substr(${id}, 5)) END`;

const tenantBehind = (budgetId: string) => `COALESCE((SELECT b.tenant FROM budgets b WHERE b.id = ${budgetId}), '')`;

const tenantOf = (table: string, row: string) =>
  table === 'budgets' ? tenantOfBudget(`${row}.id`) : tenantBehind(`${row}.budget_id`);

const tenantColumn = `tenant text NOT NULL DEFAULT ''`;

/** SQLite cannot change a primary key: the table is made anew. */
const rekeyed: Record<Engine, (table: Table) => string[]> = {
  sqlite({ name, columns, key }) {
    const names = columns.map((column) => column.split(' ')[0]).join(', ');
    return [
      `ALTER TABLE ${name} RENAME TO ${name}_before`,
      `CREATE TABLE ${name} (${tenantColumn}, ${columns.join(', ')}, PRIMARY KEY (tenant, ${key}))`,
      `INSERT INTO ${name} (tenant, ${names}) SELECT ${tenantOf(name, 'o')}, ${names} FROM ${name}_before o`,
      `DROP TABLE ${name}_before`,
    ];
  },
  postgres: ({ name, key }) => [
    `ALTER TABLE ${name} ADD COLUMN ${tenantColumn}`,
    `UPDATE ${name} SET tenant = ${tenantOf(name, name)}`,
    `ALTER TABLE ${name} DROP CONSTRAINT ${name}_pkey, ADD PRIMARY KEY (tenant, ${key})`,
  ],
};

/**
 * For code of before, which names no tenant: the keys that it writes by, and the tenant of what it writes. It also makes a key
 * after its budget. All of it is to be dropped when that code is two releases old.
 */
const forOlderCode: Record<Engine, string[]> = {
  sqlite: [
    ...tables.map(
      ({ name, key }) => `CREATE TRIGGER ${name}_tenant AFTER INSERT ON ${name} WHEN NEW.tenant = '' BEGIN
        UPDATE ${name} SET tenant = ${tenantOf(name, 'NEW')}
        WHERE tenant = '' AND ${key
          .split(', ')
          .map((column) => `${column} = NEW.${column}`)
          .join(' AND ')};
      END`,
    ),
    `CREATE TRIGGER keys_budget_tenant AFTER INSERT ON keys BEGIN
      UPDATE budgets SET tenant = NEW.tenant WHERE id = 'key:' || NEW.id AND tenant <> NEW.tenant;
    END`,
  ],
  postgres: [
    ...tables.flatMap(({ name }) => [
      `CREATE FUNCTION ${name}_tenant() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
        NEW.tenant := ${tenantOf(name, 'NEW')};
        RETURN NEW;
      END $$`,
      `CREATE TRIGGER ${name}_tenant BEFORE INSERT ON ${name} FOR EACH ROW WHEN (NEW.tenant = '')
        EXECUTE FUNCTION ${name}_tenant()`,
    ]),
    `CREATE FUNCTION keys_budget_tenant() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
      UPDATE budgets SET tenant = NEW.tenant WHERE id = 'key:' || NEW.id AND tenant <> NEW.tenant;
      RETURN NULL;
    END $$`,
    `CREATE TRIGGER keys_budget_tenant AFTER INSERT ON keys FOR EACH ROW EXECUTE FUNCTION keys_budget_tenant()`,
  ],
};

const names = tables.map(({ name }) => name).join(', ');

/**
 * Older code that runs takes the tables' locks in every order. Whoever would wait for us while we wait for him is let go first,
 * and soon: his own patience ends after a second.
 */
const lockAll = `DO $$ DECLARE patience text := current_setting('lock_timeout'); BEGIN
    LOOP
      BEGIN
        SET LOCAL lock_timeout = '50ms';
        LOCK TABLE ${names} IN ACCESS EXCLUSIVE MODE;
        EXIT;
      EXCEPTION WHEN lock_not_available THEN
        PERFORM pg_sleep(random() * 0.02);
      END;
    END LOOP;
    PERFORM set_config('lock_timeout', patience, true);
  END $$`;

/** A budget, and what is held of it, lies in the tenant of the calls that are under it: what a call touches is one tenant's. */
export function budgetTenants({ engine }: SchemaDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const statements = [
        ...(engine === 'postgres' ? [lockAll, 'DROP INDEX reservations_budget'] : []),
        ...tables.flatMap(rekeyed[engine]),
        'CREATE INDEX reservations_budget ON reservations (tenant, budget_id, owner)',
        ...tables.map(({ name, key }) => `CREATE UNIQUE INDEX ${name}_before ON ${name} (${key})`),
        ...forOlderCode[engine],
      ];
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
