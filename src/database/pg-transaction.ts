import type { Writable } from 'node:stream';
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { EntityManager } from 'typeorm';
import { copyTogether, type CopyRows } from './copy/copy-together.js';
import type { Rows, Transaction } from './transaction.js';

/** A transaction on one pooled connection. `DatabaseService.transaction` opens and ends it. */
export class PgTransaction implements Transaction {
  private savepoints = 0;

  constructor(
    private readonly client: PoolClient,
    readonly manager: EntityManager,
  ) {}

  static async run<Row extends object>(
    client: PoolClient,
    text: string,
    values: readonly unknown[],
  ): Promise<Rows<Row>> {
    const result = await client.query<Row>(text, [...values]);
    return { rows: result.rows, rowCount: result.rowCount ?? 0 };
  }

  query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> {
    return PgTransaction.run<Row>(this.client, text, values);
  }

  copyFrom(text: string): Writable {
    return this.client.query(copyFrom(text));
  }

  copyTogether(tables: readonly CopyRows[]): Promise<void> {
    return copyTogether(this.client, tables);
  }

  async savepoint<Result>(work: () => Promise<Result>): Promise<Result> {
    const name = `s${++this.savepoints}`;
    await this.client.query(`SAVEPOINT ${name}`);
    try {
      const result = await work();
      await this.client.query(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      await this.client.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }
}
