import { readFileSync } from 'node:fs';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Loop, WorkPermit } from '../concurrency.js';
import { DatabaseService, type Sql } from './database.service.js';
import { isDatabaseUnavailable } from './postgres-errors.js';

/** Identifies the database of an installation to other servers. The same for all processes, and after a fail-over. */
export async function selectInstallationId(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ id: string }>(
    `SELECT substr(md5(concat_ws('/', oid,
              CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
                   THEN (SELECT system_identifier FROM pg_control_system()) END)), 1, 8) AS id
       FROM pg_database WHERE datname = current_database()`,
  );
  return rows[0]?.id ?? '';
}

/** The database server, and the state of the database. */
export interface DatabaseFacts {
  version: string;
  lastMigration: string;
  /** Of the database on disk. */
  bytes: number;
}

export async function selectDatabaseFacts(sql: Sql): Promise<DatabaseFacts> {
  const { rows } = await sql.query<DatabaseFacts>(
    `SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
            (SELECT name FROM schema_migration ORDER BY "timestamp" DESC LIMIT 1) AS "lastMigration",
            pg_database_size(current_database())::float8 AS bytes`,
  );
  return rows[0] ?? { version: '', lastMigration: '', bytes: 0 };
}

const CHECK_EVERY_MS = 5_000;

export const { version: PROGRAM_VERSION } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
) as { version: string };

/**
 * Compares this program with the schema, at start and then regularly, because another process may migrate. The program
 * fits if all of its migrations are applied and the schema admits its version (`compatible_from`).
 */
@Injectable()
export class SchemaFit extends Loop implements OnModuleInit {
  constructor(
    private readonly database: DatabaseService,
    private readonly permit: WorkPermit,
  ) {
    super({
      intervalMs: CHECK_EVERY_MS,
      begins: 'after a pause',
      failure: 'the schema could not be compared with this program',
    });
  }

  async onModuleInit(): Promise<void> {
    await this.check();
  }

  /** Returns why this program does not fit the schema, or `null`. */
  async check(): Promise<string | null> {
    const refusal = await this.misfit();
    if (refusal !== null && refusal !== this.permit.refusal) {
      this.logger.error({ message: `this process does not work: ${refusal}` });
    }
    if (refusal === null && !this.permit.permitted) {
      this.logger.log({ message: 'the schema fits again; this process works' });
    }
    this.permit.set(refusal);
    return refusal;
  }

  /** While PostgreSQL is away, the answer is unknown and the permit does not change. */
  protected override async pass(): Promise<void> {
    await this.check().catch((error: unknown) => {
      if (!isDatabaseUnavailable(error)) throw error;
    });
  }

  private async misfit(): Promise<string | null> {
    const { rows } = await this.database.query<{ name: string }>('SELECT name FROM schema_migration');
    const applied = new Set(rows.map(({ name }) => name));
    const missing = this.database.dataSource.migrations
      .map(({ name, constructor }) => name ?? constructor.name)
      .filter((name) => !applied.has(name));
    if (missing.length > 0) return `not applied: ${missing.join(', ')}; run npm run migration:run`;
    const compatible = await this.database.query<{ version: string }>(
      'SELECT compatible_from AS version FROM schema_compatibility',
    );
    const oldest = compatible.rows[0]?.version;
    if (oldest === undefined || compareVersions(PROGRAM_VERSION, oldest) >= 0) return null;
    return `the schema is for version ${oldest} and later, and this is ${PROGRAM_VERSION}; update this process`;
  }
}

/** Negative when the first version is older. Accepts `1.2.3` and `1.2.3-rc.1`, which comes before `1.2.3`. */
export function compareVersions(first: string, second: string): number {
  const [a, b] = [partsOf(first), partsOf(second)];
  for (let place = 0; place < Math.max(a.length, b.length); place += 1) {
    const difference = compareParts(a[place], b[place]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Stands where a release candidate has further parts, and sorts a release after its candidates. */
const END = Infinity;

function partsOf(version: string): (number | string)[] {
  const [numbers = '', candidate] = version.split(/-(.*)/s);
  const parts = numbers.split('.').map(Number);
  if (candidate === undefined) return [...parts, END];
  return [...parts, ...candidate.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))];
}

function compareParts(a: number | string = -1, b: number | string = -1): number {
  if (a === b) return 0;
  if (a === END || b === END) return a === END ? 1 : -1;
  if (typeof a !== typeof b) return typeof a === 'string' ? 1 : -1;
  return a > b ? 1 : -1;
}
