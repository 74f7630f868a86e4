import type { Writable } from 'node:stream';
import type { EntityManager } from 'typeorm';
import type { CopyRows } from './copy/copy-together.js';

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
  copyTogether(tables: readonly CopyRows[]): Promise<void>;
  /** Runs the work inside a savepoint; an error undoes just that work and is thrown on. */
  savepoint<Result>(work: () => Promise<Result>): Promise<Result>;
}
