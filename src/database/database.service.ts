import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { PgTransaction } from './pg-transaction.js';
import type { Rows, Sql, Transaction } from './transaction.js';

/** SQL on the pool of the TypeORM data source. */
@Injectable()
export class DatabaseService implements Sql {
  constructor(@InjectDataSource() readonly dataSource: DataSource) {}

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    return this.connected((client) => PgTransaction.run<Row>(client, text, values));
  }

  /** Commits what the work did when it answers, rolls all of it back when it throws. */
  async transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const runner = this.dataSource.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      await runner.startTransaction();
      const result = await work(new PgTransaction(client, runner.manager));
      await runner.commitTransaction();
      return result;
    } catch (error) {
      // A broken connection cannot roll back, and need not: the server has done so.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
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
