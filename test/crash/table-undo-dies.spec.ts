import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import type { FaultPoint } from '../../src/platform/instrumentation.js';
import { ImportClient, jsonl } from '../support/import-client.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';
import { Site } from './support/site.js';

const POINTS: FaultPoint[] = [
  'table.before-target-commit',
  'table.after-target-commit',
  'chunk.before-commit',
];
const ROWS = 1_200;
/** The rows that exist before; the others are created by the import that is undone. */
const FORMER = ROWS / 2;
/** The rows that another import changes before the undo. */
const KEPT = ROWS / 4;

describe('an undo in another database whose worker is killed (kill -9)', () => {
  let other: TestDatabase;
  let there: Client;
  let site: Site;
  let client: ImportClient;
  let importProcessId: number;
  let round = 0;

  beforeAll(async () => {
    other = await createEmptyDatabase();
    there = new Client({ connectionString: other.url });
    await there.connect();
    await there.query('CREATE TABLE account (id serial PRIMARY KEY, code text UNIQUE, owner text)');
    site = await Site.open({ TARGET_LEDGER_URL: other.url });
    const [api, survivor] = [site.start('api'), site.start('worker')];
    client = new ImportClient(await api.ready());
    await survivor.ready();
    const { status, body } = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      name: 'Accounts',
      target: {
        ...{ kind: 'table', connection: 'ledger', schema: 'public', table: 'account' },
        ...{ key: ['code'], columns: { Code: 'code', Owner: 'owner' }, log: true },
      },
    });
    expect(status).toBe(201);
    importProcessId = body.id as number;
  }, 180_000);
  afterAll(async () => {
    await site?.close();
    await there?.end();
    await other?.drop();
  });

  const codeOf = (number: number) => `${round}-${String(number).padStart(5, '0')}`;
  const send = async (from: number, to: number, owner: string): Promise<number> => {
    const rows = Array.from({ length: to - from }, (_, index) => ({
      Code: codeOf(from + index),
      Owner: owner,
    }));
    const { body } = await client.createBatch(jsonl(rows), { importProcessId });
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
  };
  const imported = async (from: number, to: number, owner: string): Promise<number> => {
    const id = await send(from, to, owner);
    expect((await client.ended(id, 60_000)).status).toBe('completed');
    return id;
  };
  /** The rows of this round: their numbers of each owner. */
  const owners = async () => {
    const { rows } = await there.query<{ owner: string; count: number; codes: number }>(
      `SELECT owner, count(*)::integer AS count, count(DISTINCT code)::integer AS codes
         FROM account WHERE code LIKE $1 GROUP BY 1 ORDER BY 1`,
      [`${round}-%`],
    );
    return rows;
  };

  /**
   * Break it: in `TableTarget.once`, leave out `markRow`: the chunk is reverted again, and its records are `unchanged`;
   * in `TableUndo.statement`, write no entries.
   */
  it.each(POINTS)(
    'at %s reverts each row once, and keeps what another import changed since',
    async (point) => {
      round += 1;
      await imported(0, FORMER, 'former');
      const id = await imported(0, ROWS, 'A');
      await imported(FORMER - KEPT / 2, FORMER + KEPT / 2, 'B');
      const doomed = site.start('worker', { FAULT_POINTS: `${point}:kill@2` });
      await doomed.ready();
      const { status, body } = await client.post(`/API/WorkflowImportQueue/Batches/${id}/Undo`);
      expect(status).toBe(202);
      const undoId = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
      // The survivor may have been quicker with most of it: other imports lead the doomed one to its death.
      for (let extra = 0; doomed.alive; extra += 1) {
        const beside = await send(10_000 + extra * 1_000, 10_600 + extra * 1_000, 'beside');
        await Promise.race([doomed.ended(), client.ended(beside, 60_000)]);
      }
      expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(await client.ended(undoId, 60_000)).toMatchObject({
        status: 'completed',
        recordCounts: { total: ROWS, succeeded: ROWS - KEPT, skipped: KEPT, failed: 0 },
        operations: { reverted: ROWS - KEPT, kept: KEPT },
      });
      const left = (await owners()).filter(({ owner }) => owner !== 'beside');
      expect(left).toEqual([
        { owner: 'B', count: KEPT, codes: KEPT },
        { owner: 'former', count: FORMER - KEPT / 2, codes: FORMER - KEPT / 2 },
      ]);
      const { rows: entries } = await there.query(
        `SELECT count(*)::integer AS entries, count(DISTINCT line)::integer AS lines
         FROM import_queue_change WHERE batch = $1 AND undo_of = $2`,
        [undoId, id],
      );
      expect(entries).toEqual([{ entries: ROWS - KEPT, lines: ROWS - KEPT }]);
    },
  );

  it('leaves nothing that the doctor finds', async () => {
    const violations = await examine(site.observer.client, INVARIANTS);
    expect(violations.map(({ invariant, rows }) => [invariant.code, rows])).toEqual([]);
    expect(await site.observer.number('SELECT count(*) FROM witness.second_outcome')).toBe(0);
  });
});
