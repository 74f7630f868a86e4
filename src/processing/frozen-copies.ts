import type { Sql } from '../platform/database/database.service.js';

interface OpenCopy {
  /** Distinguishes the COPY from every earlier and later one. */
  key: string;
  pid: number;
  /** Bytes that have arrived. */
  bytes: number;
}

/** Our COPYs that wait for their client. PostgreSQL's time limit for idle transactions does not apply to them. */
async function selectWaitingCopies(sql: Sql): Promise<OpenCopy[]> {
  const { rows } = await sql.query<OpenCopy>(
    `SELECT concat_ws('/', activity.pid, activity.backend_start, activity.query_start) AS key, activity.pid,
            progress.bytes_processed AS bytes
       FROM pg_stat_progress_copy progress
       JOIN pg_stat_activity activity USING (pid)
      WHERE progress.datname = current_database() AND progress.command = 'COPY FROM'
        AND activity.application_name = current_setting('application_name') AND activity.usename = current_user
        AND activity.wait_event = 'ClientRead'`,
  );
  return rows;
}

/** Ends the sessions, and answers how many there were. */
async function endSessions(sql: Sql, pids: readonly number[]): Promise<number> {
  const { rowCount } = await sql.query(
    'SELECT pid FROM unnest($1::integer[]) AS pid WHERE pg_terminate_backend(pid)',
    [pids],
  );
  return rowCount;
}

/**
 * Finds COPYs whose process is frozen. Such a process holds its transaction, with its locks and the horizon of VACUUM,
 * as long as it exists. A running process writes data or ends its COPY within the time limit (see `BatchWriter`).
 */
export class FrozenCopies {
  private readonly seen = new Map<string, { bytes: number; since: number }>();

  constructor(private readonly limitMs: number) {}

  /** Ends the COPYs that have received no data for longer than the limit; answers how many. */
  async end(sql: Sql): Promise<number> {
    const open = await selectWaitingCopies(sql);
    const now = performance.now();
    const keys = new Set(open.map(({ key }) => key));
    for (const key of this.seen.keys()) if (!keys.has(key)) this.seen.delete(key);
    const frozen = open.filter(({ key, bytes }) => {
      const before = this.seen.get(key);
      if (before?.bytes !== bytes) this.seen.set(key, { bytes, since: now });
      return before?.bytes === bytes && now - before.since > this.limitMs;
    });
    return frozen.length === 0
      ? 0
      : endSessions(
          sql,
          frozen.map(({ pid }) => pid),
        );
  }
}
