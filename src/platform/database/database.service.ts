import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Client, type ClientConfig, DatabaseError, type Pool, type PoolClient } from 'pg';
import { DataSource, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { withTimeout } from '../concurrency.js';
import { noteCommit, runBeforeCommit } from '../instrumentation.js';
import { UnsendableError } from './copy-rows.js';
import { ReadReplica } from './read-replica.js';
import type { SettingsOfTransactions } from './session-settings.js';
import {
  ClientTransaction,
  PgTransaction,
  RolledBackError,
  type Rows,
  type Sql,
  type Transaction,
} from './transaction.js';

export type { Rows, Sql, Transaction } from './transaction.js';

/** Identifies a transaction that writes, so that its outcome can be looked up. */
interface CommitMark {
  /** Transaction id, as PostgreSQL prints it. */
  xid: string;
  /** Timeline of the server's log; it changes when a standby takes over. `null` if the server does not reveal it. */
  timeline: string | null;
}

/**
 * The connection broke after COMMIT was sent, and the server could not be asked for the outcome. The code is SQLSTATE
 * `transaction_resolution_unknown`, so that callers that repeat transactions treat it as a connection failure.
 */
export class CommitInDoubtError extends Error {
  override readonly name = 'CommitInDoubtError';
  readonly code = '08007';

  constructor(cause: unknown) {
    super('the connection broke during COMMIT, and its outcome is unknown', { cause });
  }
}

/** How long we keep asking the server for the outcome: a restarting server needs a few seconds. */
const ASK_FOR_MS = 10_000;
const ASK_AGAIN_MS = 200;

/**
 * Call this outside any transaction: some hosted servers refuse the function, and the refusal would abort a
 * transaction.
 */
async function selectTimeline(sql: Sql): Promise<string | null> {
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

/** COMMIT was refused, or not even sent: nothing is in doubt. */
function isRefusedCommit(error: unknown): boolean {
  if (error instanceof RolledBackError || error instanceof UnsendableError) return true;
  return error instanceof DatabaseError && error.severity === 'ERROR';
}

/**
 * Asks on another connection whether the transaction was committed.
 * @throws CommitInDoubtError if the server does not answer in time, or if another server has taken over, because its
 *   transaction ids name other transactions
 */
async function wasCommitted(sql: Sql, mark: CommitMark, cause: unknown): Promise<boolean> {
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

/**
 * A pool client that always has an error listener. The pool and TypeORM remove and re-add their listeners whenever a
 * client changes owner. If PostgreSQL ends the connection at that moment, an error without a listener would end the
 * process. The current or the next statement reports the broken connection.
 */
export class GuardedClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

export interface TransactionOptions {
  /**
   * `false` for a transaction that only holds locks or reads. It gets no transaction id, which would keep VACUUM from
   * removing rows for as long as the transaction is open.
   */
  writes?: boolean;
}

interface Attempt<Result> {
  result: Result;
  /** Set if the connection broke during COMMIT. */
  doubt: { mark: CommitMark; error: unknown } | null;
}

/** SQL on the connection pool of the TypeORM data source (ADR 22). */
@Injectable()
export class DatabaseService implements Sql {
  /** `undefined` until a transaction needs it, and again after a COMMIT in doubt. */
  private timeline: string | null | undefined;

  private readonly settings: SettingsOfTransactions;

  constructor(
    @InjectDataSource() readonly dataSource: DataSource,
    readonly replica: ReadReplica = new ReadReplica(undefined),
  ) {
    const { idleTransactionMs } = dataSource.options.extra as { idleTransactionMs: number };
    this.settings = { idleTransactionMs };
  }

  /** The connections of the pool, and how many callers wait for one. */
  get connections(): { open: number; idle: number; waiting: number } {
    const { totalCount, idleCount, waitingCount } = (this.dataSource.driver as unknown as { master: Pool })
      .master;
    return { open: totalCount, idle: idleCount, waiting: waitingCount };
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    return this.replica.query<Row>(text, values, this.askPrimary);
  }

  /** For look-ups of an open transaction that do not depend on what it has written: a replica may answer them. */
  lookUps(transaction: Transaction): Sql {
    return this.replica.lookUps((text, values) => transaction.query(text, values));
  }

  private readonly askPrimary = <Row extends object>(text: string, values: readonly unknown[] = []) =>
    this.connected((client) => ClientTransaction.run<Row>(client, text, values));

  /**
   * Commits the work if it returns, and rolls all of it back if it throws. If the connection breaks during COMMIT, the
   * outcome is looked up on another connection. An error from this method means that nothing was stored, except for
   * CommitInDoubtError.
   * @throws CommitInDoubtError
   */
  async transaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    { writes = true }: TransactionOptions = {},
  ): Promise<Result> {
    return this.replica.without(() => this.committed(work, writes));
  }

  private async committed<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    writes: boolean,
  ): Promise<Result> {
    const { result, doubt } = await this.attempt(work, writes);
    if (doubt !== null) {
      if (!(await wasCommitted(this, doubt.mark, doubt.error))) throw new LostConnectionError(doubt.error);
      noteCommit();
    }
    return result;
  }

  private async attempt<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    writes: boolean,
  ): Promise<Attempt<Result>> {
    if (this.timeline === undefined) this.timeline = await selectTimeline(this);
    const { timeline } = this;
    const runner = this.dataSource.createQueryRunner();
    let client: PoolClient | undefined;
    let transaction: PgTransaction | undefined;
    let isLost = false;
    const noteLoss = () => (isLost = true);
    const wasLost = () => isLost;
    try {
      client = (await runner.connect()) as PoolClient;
      client.on('error', noteLoss).on('end', noteLoss);
      transaction = new PgTransaction(client, runner, this.settings, writes);
      const result = await work(transaction);
      const xid = await transaction.ready();
      if (xid !== null) await runBeforeCommit(transaction);
      if (wasLost()) throw new LostConnectionError(undefined);
      try {
        await transaction.commit();
        Object.assign(runner, { isTransactionActive: false });
      } catch (error) {
        if (xid === null || isRefusedCommit(error)) throw error;
        this.timeline = undefined;
        return { result, doubt: { mark: { xid, timeline }, error } };
      }
      if (xid !== null) noteCommit();
      return { result, doubt: null };
    } catch (error) {
      // Statements that nobody waited for must not run after the transaction.
      await transaction?.settled();
      // A broken connection cannot roll back, and need not: the server has already done so.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw isRunnerGone(error) || (wasLost() && isStreamFault(error))
        ? new LostConnectionError(error)
        : error;
    } finally {
      client?.off('error', noteLoss).off('end', noteLoss);
      await runner.release();
    }
  }

  /** Lends one connection, for session-level work such as cursors. */
  async connected<Result>(work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      return await work((await runner.connect()) as PoolClient);
    } finally {
      await runner.release();
    }
  }
}

/** The connection was lost, and the operation on it did not report the reason. */
class LostConnectionError extends Error {
  override readonly name = 'LostConnectionError';
  /** SQLSTATE `connection_failure`. */
  readonly code = '08006';

  constructor(cause: unknown) {
    super('the connection terminated', { cause });
  }
}

/** Only TypeORM releases a runner before its transaction has ended: when the runner's connection is lost. */
function isRunnerGone(error: unknown): boolean {
  return error instanceof QueryRunnerAlreadyReleasedError;
}

/** The error of a write to a COPY stream whose connection is gone: the stream forgets its own error. */
function isStreamFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return error instanceof TypeError || code.startsWith('ERR_STREAM');
}
