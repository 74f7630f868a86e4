import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Client, type ClientConfig, type PoolClient } from 'pg';
import { DataSource, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { noteCommit } from '../logging/request-context.js';
import {
  type CommitMark,
  isRefusedCommit,
  selectTimeline,
  selectTransactionId,
  wasCommitted,
} from './commit-outcome.js';
import { transactionStatements } from './session-settings.js';
import { PgTransaction, type Rows, type Sql, type Transaction } from './transaction.js';

/**
 * A client of the pool that somebody always listens to. Pool and TypeORM take their ears off and put them on when a
 * client changes hands; one whose connection PostgreSQL ends at that moment would end the process. What breaks is told
 * by the statement that ran, or by the next.
 */
export class GuardedClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

interface Attempt<Result> {
  result: Result;
  /** Not `null`: the connection broke during COMMIT. */
  doubt: { mark: CommitMark; error: unknown } | null;
}

/** SQL on the pool of the TypeORM data source (ADR 22). */
@Injectable()
export class DatabaseService implements Sql {
  /** `undefined` until a transaction needs it, and again after a COMMIT in doubt. */
  private timeline: string | null | undefined;

  private readonly beginning: string;

  constructor(@InjectDataSource() readonly dataSource: DataSource) {
    const { idleTransactionMs } = dataSource.options.extra as { idleTransactionMs: number };
    this.beginning = transactionStatements({ idleTransactionMs });
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    return this.connected((client) => PgTransaction.run<Row>(client, text, values));
  }

  /**
   * Commits the work if it returns, and rolls all of it back if it throws. If the connection breaks during COMMIT, the
   * outcome is looked up on another one: what this throws left nothing behind, except for CommitInDoubtError.
   * @throws CommitInDoubtError
   */
  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const { result, doubt } = await this.attempt(work);
    if (doubt !== null && !(await wasCommitted(this, doubt.mark, doubt.error))) {
      throw new LostConnectionError(doubt.error);
    }
    return result;
  }

  private async attempt<Result>(
    work: (transaction: Transaction) => Promise<Result>,
  ): Promise<Attempt<Result>> {
    if (this.timeline === undefined) this.timeline = await selectTimeline(this);
    const { timeline } = this;
    const runner = this.dataSource.createQueryRunner();
    let client: PoolClient | undefined;
    let isLost = false;
    const noteLoss = () => (isLost = true);
    try {
      client = (await runner.connect()) as PoolClient;
      client.on('error', noteLoss).on('end', noteLoss);
      await runner.startTransaction();
      await client.query(this.beginning);
      const transaction = new PgTransaction(client, runner.manager);
      const result = await work(transaction);
      const xid = await selectTransactionId(transaction);
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
      // A broken connection cannot roll back, and need not: the server has done so.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw isRunnerGone(error) || (isLost && isStreamFault(error)) ? new LostConnectionError(error) : error;
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

/** The connection was lost, and what was written to it did not hear why. */
class LostConnectionError extends Error {
  override readonly name = 'LostConnectionError';
  /** SQLSTATE `connection_failure`. */
  readonly code = '08006';

  constructor(cause: unknown) {
    super('the connection terminated', { cause });
  }
}

/** TypeORM lets go of a runner whose connection is lost; nobody else does before its transaction has ended. */
function isRunnerGone(error: unknown): boolean {
  return error instanceof QueryRunnerAlreadyReleasedError;
}

/** What a COPY says that is written to after its connection is gone: the stream forgets its own error. */
function isStreamFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return error instanceof TypeError || code.startsWith('ERR_STREAM');
}
