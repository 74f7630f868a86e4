import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Client, type ClientConfig, DatabaseError, type Pool, type PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { DataSource, type EntityManager, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { withTimeout } from '../concurrency.js';
import { noteCommit, runBeforeCommit } from '../instrumentation.js';
import {
  type CopyInput,
  sendTogether,
  StatementsMessage,
  type StatementsWithRows,
  type TextRow,
  type WaitingStatement,
} from './copy-rows.js';
import { ReadReplica } from './read-replica.js';
import { beginStatements } from './session-settings.js';

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

/** PostgreSQL answered COMMIT with an error: the transaction was rolled back, and nothing is in doubt. */
function isRefusedCommit(error: unknown): boolean {
  const { driverError = error } = error as { driverError?: unknown };
  return driverError instanceof DatabaseError && driverError.severity === 'ERROR';
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

export interface Rows<Row> {
  rows: Row[];
  /** The number of rows selected, inserted, updated or deleted. */
  rowCount: number;
}

export interface Sql {
  /** Runs one statement. bigint columns are returned as numbers, timestamptz as Date, jsonb parsed. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Rows<Row>>;
}

/**
 * One open PostgreSQL transaction on one connection. Statements that are asked for before the program waits for any of
 * them, as in `Promise.all([…])`, travel together: they run in the order given, and take one round trip.
 */
export interface Transaction extends Sql {
  /** The start of the transaction by the clock of PostgreSQL: `now()`, in milliseconds. */
  readonly startedAt: Date;
  /** TypeORM on the same connection, for writes of configuration size. */
  readonly manager: EntityManager;
  /** Starts `COPY … FROM STDIN`; end the stream and await its `finish` before the next statement. */
  copyFrom(text: string): Writable;
  /** Writes the rows of several tables, in the given order, in one round trip. */
  copyTogether(tables: readonly CopyInput[]): Promise<void>;
  /** Runs statements and writes rows in one round trip; answers the rows of each statement. */
  sendTogether(sent: StatementsWithRows): Promise<TextRow[][]>;
  /** Runs the work inside a savepoint. An error undoes only that work and is rethrown. */
  savepoint<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** The statements of an open transaction on one connection, which the owner of the connection begins and ends. */
export class ClientTransaction implements Omit<Transaction, 'manager' | 'copyFrom' | 'startedAt'> {
  private savepoints = 0;
  private waiting: WaitingStatement[] = [];
  /** The message that is under way; it never rejects. */
  private underWay: Promise<void> = Promise.resolve();

  constructor(protected readonly client: PoolClient) {}

  static async run<Row extends object>(
    client: PoolClient,
    text: string,
    values: readonly unknown[],
  ): Promise<Rows<Row>> {
    const result = await client.query<Row>(text, [...values]);
    return { rows: result.rows, rowCount: result.rowCount ?? 0 };
  }

  query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    return new Promise<Rows<Row>>((resolve, reject) => {
      this.waiting.push({ text, values, resolve, reject });
      if (this.waiting.length === 1) void this.settled();
    });
  }

  async copyTogether(tables: readonly CopyInput[]): Promise<void> {
    await this.sendTogether({ tables });
  }

  /** Runs statements and writes rows in one round trip; answers the rows of each statement. */
  async sendTogether(sent: StatementsWithRows): Promise<TextRow[][]> {
    await this.settled();
    return sendTogether(this.client, sent);
  }

  /** Sends the statements that wait, once the message before them is answered, and waits for their answer. */
  settled(): Promise<void> {
    this.underWay = this.underWay.then(() => this.send());
    return this.underWay;
  }

  private async send(): Promise<void> {
    const statements = this.waiting;
    this.waiting = [];
    const [only] = statements;
    if (only === undefined) return;
    if (statements.length > 1) {
      return new Promise((ended) => void this.client.query(new StatementsMessage(statements, ended)));
    }
    await ClientTransaction.run<never>(this.client, only.text, only.values).then(only.resolve, only.reject);
  }

  async savepoint<Result>(work: () => Promise<Result>): Promise<Result> {
    const name = `s${++this.savepoints}`;
    // Nothing waits for these two: if one fails, so do the statements that follow it.
    const begun = this.query(`SAVEPOINT ${name}`);
    begun.catch(() => undefined);
    try {
      const result = await work();
      this.query(`RELEASE SAVEPOINT ${name}`).catch(() => undefined);
      return result;
    } catch (error) {
      await begun;
      await this.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }
}

/** A transaction on one pooled connection. `DatabaseService.transaction` opens and ends it. */
class PgTransaction extends ClientTransaction implements Transaction {
  constructor(
    client: PoolClient,
    readonly manager: EntityManager,
    readonly startedAt: Date,
  ) {
    super(client);
  }

  copyFrom(text: string): Writable {
    return this.client.query(copyFrom(text));
  }
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

  private readonly beginning: string;

  constructor(
    @InjectDataSource() readonly dataSource: DataSource,
    readonly replica: ReadReplica = new ReadReplica(undefined),
  ) {
    const { idleTransactionMs } = dataSource.options.extra as { idleTransactionMs: number };
    this.beginning = beginStatements({ idleTransactionMs });
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
      // Writes of TypeORM join the transaction. Its own `startTransaction` would send each statement by itself.
      Object.assign(runner, { isTransactionActive: true });
      const { xid, now } = await this.begin(client, writes);
      transaction = new PgTransaction(client, runner.manager, now);
      const result = await work(transaction);
      await transaction.settled();
      if (xid !== null) await runBeforeCommit(transaction);
      if (wasLost()) throw new LostConnectionError(undefined);
      try {
        await runner.commitTransaction();
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

  /**
   * Begins a transaction in one round trip, and returns its start and its id. The id is known from the beginning, because a
   * transaction whose COMMIT is in doubt can no longer be asked for it.
   */
  private async begin(client: PoolClient, writes: boolean): Promise<{ xid: string | null; now: Date }> {
    const id = writes ? 'pg_current_xact_id()::text' : 'NULL';
    // The driver answers one result per statement.
    const results = (await client.query(
      `${this.beginning}; SELECT ${id} AS xid, now() AS now`,
    )) as unknown as { rows: { xid: string | null; now: Date }[] }[];
    const begun = results.at(-1)?.rows[0];
    if (begun === undefined || (writes && begun.xid === null)) {
      throw new Error('PostgreSQL answered no transaction id');
    }
    return begun;
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
