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
