import { Client } from 'pg';
import type { FaultPoint } from '../../src/platform/instrumentation.js';
import { ImportClient, jsonl } from '../support/import-client.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';
import { Site } from './support/site.js';

const POINTS: FaultPoint[] = [
  'table.before-target-commit',
  'table.after-target-commit',
  'chunk.before-commit',
];
const ROWS = 2_000;

describe('a worker that is killed (kill -9) while it writes into another database', () => {
  let other: TestDatabase;
  let there: Client;
  let site: Site;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    other = await createEmptyDatabase();
    there = new Client({ connectionString: other.url });
    await there.connect();
    // Without a key: a chunk that is written twice shows.
    await there.query(
      'CREATE TABLE entry (id serial PRIMARY KEY, batch text, number integer, CHECK (number % 500 <> 7))',
    );
    site = await Site.open({ TARGET_LEDGER_URL: other.url });
    const [api, survivor] = [site.start('api'), site.start('worker')];
    client = new ImportClient(await api.ready());
    await survivor.ready();
    const { body } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      name: 'Entries',
      target: {
        kind: 'table',
        connection: 'ledger',
        schema: 'public',
        table: 'entry',
        columns: { Batch: 'batch', Number: 'number' },
      },
    });
    importProcessId = body.id as number;
  });
  afterAll(async () => {
    await site.close();
    await there.end();
    await other.drop();
  });

  const send = async (): Promise<{ id: number; name: string }> => {
    const name = `b${Math.random()}`;
    const rows = Array.from({ length: ROWS }, (_, number) => ({ Batch: name, Number: number }));
    const { body } = await client.createBatch(jsonl(rows), { importProcessId });
    return { id: body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number, name };
  };

  /** Break it: in `TableTarget.process`, leave out `markRow`, or commit the mark in a transaction of its own. */
  it.each(POINTS)('at %s writes no row twice and leaves none out', async (point) => {
    const doomed = site.start('worker', { FAULT_POINTS: `${point}:kill@2` });
    await doomed.ready();
    const sent: { id: number; name: string }[] = [];
    while (doomed.alive) {
      const batch = await send();
      sent.push(batch);
      // The other may have been quicker with all of it.
      await Promise.race([doomed.ended(), client.ended(batch.id, 60_000)]);
    }
    expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    for (const { id, name } of sent) {
      const batch = await client.ended(id, 60_000);
      expect(batch.recordCounts).toMatchObject({ total: ROWS, succeeded: ROWS - 4, failed: 4 });
      expect(batch.operations).toEqual({ created: ROWS - 4, updated: 0, unchanged: 0 });
      const { rows } = await there.query(
        'SELECT count(*)::integer AS count, count(DISTINCT number)::integer AS numbers FROM entry WHERE batch = $1',
        [name],
      );
      expect(rows).toEqual([{ count: ROWS - 4, numbers: ROWS - 4 }]);
    }
  });
});
