import type { Sql } from './database.service.js';

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
