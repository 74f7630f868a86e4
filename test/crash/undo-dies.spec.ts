import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import type { FaultPoint } from '../../src/platform/instrumentation.js';
import { type ImportClient, jsonl, member } from '../support/import-client.js';
import { Site } from './support/site.js';

const POINTS: FaultPoint[] = [
  'chunk.before-lock',
  'chunk.after-load',
  'chunk.before-commit',
  'chunk.after-commit',
];
const PEOPLE = 2_000;

describe('an undo whose worker is killed (kill -9), beside imports of the same people', () => {
  let site: Site;
  let client: ImportClient;
  let first = 0;

  beforeAll(async () => {
    site = await Site.open();
    const [api, survivor] = [site.start('api'), site.start('worker')];
    client = await site.client(api);
    await survivor.ready();
  });
  afterAll(() => site.close());

  const people = (count: number, more: object = {}) =>
    Array.from({ length: count }, (_, index) => member(1_000_000 + first + index, { ...more }));

  async function send(rows: object[]): Promise<number> {
    const answer = await client.post(site.createPath(), jsonl(rows), { 'content-type': 'application/jsonl' });
    expect(answer.status).toBe(202);
    return answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  /** The names of the people of this round, in order; `null` for someone who does not exist. */
  async function names(): Promise<(string | null)[]> {
    const rows = await site.observer.rows<{ name: string | null }>(
      `SELECT i.attributes ->> 'First Name' AS name
         FROM generate_series($1::int, $2::int) n
         LEFT JOIN workflow_identifier x ON x.name = ':UniqueId' AND x.value = 'M-' || n
         LEFT JOIN workflow_instance i USING (workflow_instance_id) ORDER BY n`,
      [1_000_000 + first, 1_000_000 + first + PEOPLE - 1],
    );
    return rows.map(({ name }) => name);
  }

  /**
   * Break it: in `RowReversal.write`, write the log through a connection of its own; in `selectPendingUndos`, read the
   * records that have an outcome, too.
   */
  it.each(POINTS)('at %s reverts every record once and keeps what changed since', async (point) => {
    first += PEOPLE;
    // Half of the people exist before.
    await client.ended(await send(people(PEOPLE / 2)));
    const before = await names();
    const id = await send(people(PEOPLE, { 'First Name': 'By A' }));
    await client.ended(id);
    const later = await send(people(PEOPLE / 10, { 'First Name': 'By B' }));
    await client.ended(later);
    const doomed = site.start('worker', { FAULT_POINTS: `${point}:kill@2` });
    await doomed.ready();
    const undo = await client.post(`/API/WorkflowImportQueue/Batches/${id}/Undo`);
    expect(undo.status).toBe(202);
    const undoId: number = undo.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const beside = await send(people(PEOPLE / 10, { 'First Name': 'By C' }));
    // The survivor may have been quicker with most of it: other imports lead the doomed one to its death.
    while (doomed.alive) {
      const other = await site.send(client, 2_000);
      await Promise.race([doomed.ended(), site.observer.allEnded([other])]);
    }
    expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    await client.ended(beside);
    const ended = await client.ended(undoId, 60_000);

    const kept = PEOPLE / 10;
    expect(ended).toMatchObject({
      status: 'completed',
      recordCounts: { total: PEOPLE, succeeded: PEOPLE - kept, skipped: kept, failed: 0 },
      operations: { reverted: PEOPLE - kept, kept },
    });
    expect((await names()).slice(kept)).toEqual(before.slice(kept));
    const entries = await site.observer.rows<{ entries: number; lines: number }>(
      `SELECT count(*)::int AS entries, count(DISTINCT line_number)::int AS lines
         FROM workflow_log WHERE workflow_import_queue_batch_id = $1`,
      [undoId],
    );
    expect(entries).toEqual([{ entries: PEOPLE - kept, lines: PEOPLE - kept }]);
  });

  it('leaves nothing that the doctor finds', async () => {
    expect(await examine(site.observer.client, INVARIANTS)).toEqual([]);
    expect(await site.observer.number('SELECT count(*) FROM witness.second_outcome')).toBe(0);
  });
});
