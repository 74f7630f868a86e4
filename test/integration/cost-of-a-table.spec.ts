import { Client } from 'pg';
import { type Cost, CostMeter } from '../support/cost-meter.js';
import { jsonl } from '../support/import-client.js';

const RECORDS = 1_000;

describe('what 1,000 records of a table in another database cost PostgreSQL', () => {
  let meter: CostMeter;
  const processes = new Map<boolean, number>();

  beforeAll(async () => {
    meter = await CostMeter.start((url) => ({ TARGET_CRM_URL: otherDatabase(url) }));
    const main = new Client({ connectionString: meter.url });
    await main.connect();
    await main.query('CREATE DATABASE crm');
    await main.end();
    const crm = new Client({ connectionString: otherDatabase(meter.url) });
    await crm.connect();
    await crm.query(
      'CREATE TABLE plain (id serial PRIMARY KEY, email text UNIQUE, name text, level integer)',
    );
    await crm.query('CREATE TABLE logged (LIKE plain INCLUDING ALL)');
    await crm.end();
    for (const log of [false, true]) {
      const { status, body } = await meter.client.post('/API/WorkflowImportQueue/ImportProcesses', {
        name: `Contacts ${log}`,
        target: {
          ...{ kind: 'table', connection: 'crm', schema: 'public', table: log ? 'logged' : 'plain' },
          ...{ key: ['email'], columns: { Email: 'email', Name: 'name', Level: 'level' }, log },
        },
      });
      expect(status).toBe(201);
      processes.set(log, body.id as number);
      // The first batch also causes what is done once.
      await costOf(log, 1_000_000, 'Ann');
    }
  }, 240_000);
  afterAll(() => meter?.close());

  const costOf = (log: boolean, first: number, name: string): Promise<Cost> => {
    const rows = Array.from({ length: RECORDS }, (_, n) => ({
      ...{ Email: `${first + n}@example.org`, Name: `${name} ${first + n}`, Level: n },
    }));
    return meter.costOf(jsonl(rows), processes.get(log)!);
  };

  /** Break it: in `isDistinct` of the statements, take every two values for different, so that rows that do not change are updated. */
  it.each([
    [false, { roundTrips: 20, created: 700, unchanged: 400 }],
    [true, { roundTrips: 20, created: 1_250, unchanged: 400 }],
  ])('is bounded (with a log: %s)', async (log, bounds) => {
    const created = await costOf(log, 1, 'Ann');
    const updated = await costOf(log, 1, 'Bo');
    const unchanged = await costOf(log, 1, 'Bo');
    for (const { roundTrips, inserted } of [created, updated, unchanged]) {
      expect(roundTrips).toBeLessThanOrEqual(bounds.roundTrips);
      // In our database: the line and its outcome, the batch, its chunk and the statistics of both.
      expect(inserted).toBeLessThanOrEqual(2 * RECORDS + 4);
    }
    expect(created.wal).toBeLessThanOrEqual(bounds.created * RECORDS);
    expect(unchanged.wal).toBeLessThanOrEqual(bounds.unchanged * RECORDS);
  });
});

function otherDatabase(url: string): string {
  const other = new URL(url);
  other.pathname = '/crm';
  return other.href;
}
