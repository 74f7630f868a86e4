import { ImportClient, jsonl } from '../support/import-client.js';
import { Site } from '../crash/support/site.js';
import { POSTGRES_BIN, PostgresNode } from './support/postgres-nodes.js';

jest.setTimeout(1_800_000);

const KILLS = Number(process.env.HA_KILLS ?? 50);
const ROWS = 1_000;
const ENDS_WITHIN_MS = 90_000;

(POSTGRES_BIN === undefined ? describe.skip : describe)(
  'a worker and the database of the table, killed (kill -9) between their two commits',
  () => {
    let target: PostgresNode;
    let site: Site;
    let client: ImportClient;
    let importProcessId: number;

    beforeAll(async () => {
      // What it has reported as committed must survive.
      target = await PostgresNode.primary(['fsync=on', 'synchronous_commit=on']);
      await target.ask('CREATE DATABASE ledger');
      // Without a key: a chunk that is written twice shows.
      await target.ask('CREATE TABLE entry (id serial PRIMARY KEY, round integer, number integer)', 'ledger');
      // Five chunks: those of a table have four times as many rows.
      site = await Site.open({ TARGET_LEDGER_URL: target.urlOf('ledger'), CHUNK_SIZE: '50' });
      client = new ImportClient(await site.start('api').ready());
      const { status, body } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
        name: 'Entries',
        target: {
          ...{ kind: 'table', connection: 'ledger', schema: 'public', table: 'entry' },
          columns: { Round: 'round', Number: 'number' },
        },
      });
      expect(status).toBe(201);
      importProcessId = body.id as number;
    });
    afterAll(async () => {
      await site?.close();
      await target?.close();
    });

    /** Break it: in `TableTarget.once`, leave out `markRow`. */
    it(`${KILLS} times writes no row twice and leaves none out`, async () => {
      for (let round = 1; round <= KILLS; round += 1) {
        const passage = 1 + (round % 3);
        const doomed = site.start('worker', { FAULT_POINTS: `table.after-target-commit:stop@${passage}` });
        await doomed.ready();
        const rows = Array.from({ length: ROWS }, (_, number) => ({ Round: round, Number: number }));
        const { body } = await client.createBatch(jsonl(rows), { importProcessId });
        await doomed.stopped();
        // Its chunk is committed there, and not here.
        await target.kill();
        await doomed.kill();
        await target.up();
        const survivor = site.start('worker');
        const batch = await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number, ENDS_WITHIN_MS);
        expect(batch).toMatchObject({ status: 'completed', operations: { created: ROWS } });
        const [stored] = await target.ask<{ count: number; numbers: number }>(
          `SELECT count(*)::integer AS count, count(DISTINCT number)::integer AS numbers
             FROM entry WHERE round = ${round}`,
          'ledger',
        );
        expect(stored).toEqual({ count: ROWS, numbers: ROWS });
        await survivor.kill();
      }
      // A chunk that was committed there before the kill was not written again.
      const again = await target.ask('SELECT FROM import_queue_mark WHERE attempt > 0', 'ledger');
      expect(again).toEqual([]);
    });
  },
);
