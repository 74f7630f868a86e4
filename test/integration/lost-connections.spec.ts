import type { Client, Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { faultKind } from '../../src/processing/record-processing.js';
import { eventually } from '../support/eventually.js';
import { startDatabaseService, type TestDatabaseService } from '../support/test-database-service.js';

describe('a connection that PostgreSQL ends', () => {
  let service: TestDatabaseService;

  beforeAll(async () => {
    service = await startDatabaseService();
  });
  afterAll(() => service.stop());

  const poolOf = (source: DataSource): Pool => (source.driver as unknown as { master: Pool }).master;

  /** Break it: in `dataSourceOptions`, leave out `HeardClient`. */
  it('while it is handed out does not end the process', async () => {
    const pool = poolOf(service.database.dataSource);
    // The pool has removed its listener and TypeORM has not added its own: nothing else handles an error now.
    const seen: number[] = [];
    const handOver = new Promise<void>((resolve, reject) => {
      pool.connect((error: Error | undefined, client, release) => {
        if (client === undefined) return reject(error ?? new Error('there is no client'));
        seen.push(client.listenerCount('error'));
        (client as unknown as Client).emit('error', new Error('terminating connection'));
        release(true);
        resolve();
      });
    });
    await expect(handOver).resolves.toBeUndefined();
    expect(seen).toEqual([1]);
    await expect(service.database.query('SELECT 1 AS one')).resolves.toMatchObject({ rows: [{ one: 1 }] });
  });

  it('during a statement of a transaction is reported to its owner only', async () => {
    const { database } = service;
    const lost = database.transaction((transaction) =>
      transaction.query('SELECT pg_terminate_backend(pg_backend_pid())'),
    );
    await expect(lost).rejects.toThrow(/terminat/i);
    await expect(database.transaction((transaction) => transaction.query('SELECT 1'))).resolves.toBeDefined();
  });

  it('between two statements of a transaction is reported by the next one', async () => {
    const { database } = service;
    const lost = database.transaction(async (transaction) => {
      const { rows } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await transaction.query('SELECT 1');
    });
    // The reason comes with the statement, or has come before it and left a client that is of no use.
    await expect(lost).rejects.toThrow(/terminat|not queryable/i);
    await expect(database.transaction((transaction) => transaction.query('SELECT 1'))).resolves.toBeDefined();
  });

  /** Break it: in `DatabaseService.transaction`, throw what TypeORM says of its runner. */
  it('after the last statement of a transaction is reported instead of the commit, as a fault to retry', async () => {
    const { database } = service;
    const lost = database.transaction(async (transaction) => {
      const { rows } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
      await eventually(
        () => Promise.resolve(transaction.manager.queryRunner?.isReleased),
        'the loss to be noticed',
      );
    });
    const error: unknown = await lost.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: '08006' });
    expect(faultKind(error)).toBe('transient');
  });
});
