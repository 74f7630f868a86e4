import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { withTimeout } from '../concurrency.js';
import type { Sql } from './transaction.js';

/** Identifies a transaction whose COMMIT is about to be sent. */
export interface CommitMark {
  /** Transaction id, as PostgreSQL prints it. */
  xid: string;
  /** Timeline of the server's log; it changes when a standby takes over. `null` if the server does not tell. */
  timeline: string | null;
}

/**
 * The connection broke after COMMIT was sent, and the server could not be asked what became of it. The code is SQLSTATE
 * `transaction_resolution_unknown`, so that callers that repeat transactions treat it as a fault of the connection.
 */
export class CommitInDoubtError extends Error {
  override readonly name = 'CommitInDoubtError';
  readonly code = '08007';

  constructor(cause: unknown) {
    super('the connection broke during COMMIT, and its outcome is unknown', { cause });
  }
}

/** How long the server is asked for the outcome: a server that restarts needs a few seconds. */
const ASK_FOR_MS = 10_000;
const ASK_AGAIN_MS = 200;

/** The transaction id, or `null` if the transaction has written nothing and so leaves nothing in doubt. */
export async function selectTransactionId(sql: Sql): Promise<string | null> {
  const { rows } = await sql.query<{ xid: string | null }>(
    'SELECT pg_current_xact_id_if_assigned()::text AS xid',
  );
  return rows[0]?.xid ?? null;
}

/** Outside of any transaction: some hosted servers refuse the function, and the refusal would end a transaction. */
export async function selectTimeline(sql: Sql): Promise<string | null> {
  try {
    const { rows } = await sql.query<{ timeline: string }>(
      'SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline',
    );
    return rows[0]?.timeline ?? null;
  } catch (error) {
    if (error instanceof DatabaseError) return null;
    throw error;
  }
}

/** PostgreSQL answered COMMIT with an error: the transaction was rolled back, and nothing is in doubt. */
export function isRefusedCommit(error: unknown): boolean {
  const { driverError = error } = error as { driverError?: unknown };
  return driverError instanceof DatabaseError && driverError.severity === 'ERROR';
}

/**
 * Whether the transaction was committed, asked on another connection.
 * @throws CommitInDoubtError if the server does not answer in time, or another server has taken over: its transaction
 *   ids name other transactions
 */
export async function wasCommitted(sql: Sql, mark: CommitMark, cause: unknown): Promise<boolean> {
  const deadline = performance.now() + ASK_FOR_MS;
  while (performance.now() < deadline) {
    const status = await withTimeout(deadline - performance.now(), statusOf(sql, mark)).catch(() => null);
    if (status === 'other server') break;
    if (status === 'committed' || status === 'aborted') return status === 'committed';
    await sleep(ASK_AGAIN_MS);
  }
  throw new CommitInDoubtError(cause);
}

async function statusOf(sql: Sql, { xid, timeline }: CommitMark): Promise<string | null> {
  if ((await selectTimeline(sql)) !== timeline) return 'other server';
  const { rows } = await sql.query<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [
    xid,
  ]);
  return rows[0]?.status ?? null;
}
