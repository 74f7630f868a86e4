import type { Writable } from 'node:stream';
import type { PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { EntityManager } from 'typeorm';
import { type CopyInput, copyTogether } from './copy-rows.js';

export interface Rows<Row> {
  rows: Row[];
  /** Rows selected, inserted, updated or deleted. */
  rowCount: number;
}

export interface Sql {
  /** Runs one statement. bigint columns come back as numbers, timestamptz as Date, jsonb parsed. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Rows<Row>>;
}

/** One open PostgreSQL transaction on one connection. */
export interface Transaction extends Sql {
  /** TypeORM on the same connection, for configuration-sized writes. */
  readonly manager: EntityManager;
  /** Starts `COPY … FROM STDIN`; end the stream and await its `finish` before the next statement. */
  copyFrom(text: string): Writable;
  /** Writes the rows of several tables, in their order, in one round trip. */
  copyTogether(tables: readonly CopyInput[]): Promise<void>;
  /** Runs the work inside a savepoint; an error undoes just that work and is thrown on. */
  savepoint<Result>(work: () => Promise<Result>): Promise<Result>;
}

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

  copyTogether(tables: readonly CopyInput[]): Promise<void> {
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
