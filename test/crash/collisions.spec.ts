import { Client } from 'pg';
import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { brokenCreations } from '../support/creations.js';
import { eventually } from '../support/eventually.js';
import { type ImportClient, jsonl, member } from '../support/import-client.js';
import { seededRandom } from './support/seeded.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';

const WORKERS = 8;
const BATCHES = 8;
const MEMBERS = 300;
/** So often each batch has a line about each of the members. */
const MENTIONS = 3;
const ROWS = BATCHES * MEMBERS * MENTIONS;

jest.setTimeout(180_000);

describe('eight workers', () => {
  let site: Site;
  let client: ImportClient;
  let workers: ServiceProcess[];

  beforeAll(async () => {
    // The chunks are small, so that all batches run many of them at once, all about the same members.
    site = await Site.open({ CHUNK_SIZE: '20', WORKER_CONCURRENCY: '2', DATABASE_POOL_SIZE: '6' });
    // PostgreSQL looks for a deadlock once per wait, so the second lock must be asked for before that.
    await site.observer.rows(
      `DO $$ BEGIN
         EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = %L', current_database(), '4s');
       END $$`,
    );
    client = await site.client(site.start('api'));
    workers = Array.from({ length: WORKERS }, () => site.start('worker'));
    await Promise.all(workers.map((worker) => worker.ready()));
  });
  afterAll(() => site.close());

  const post = async (rows: readonly object[]): Promise<number> => {
    const answer = await client.post(site.createPath(), jsonl([...rows]), {
      'content-type': 'application/jsonl',
    });
    expect([answer.status, answer.body.code]).toEqual([202, undefined]);
    return answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };
  const batchesOf = (ids: readonly number[]) =>
    site.observer.rows<{ status: string; total: number; succeeded: number }>(
      `SELECT status, total_count AS total, succeeded_count AS succeeded FROM import_queue_batch
        WHERE workflow_import_queue_batch_id = ANY ($1) ORDER BY 1`,
      [ids],
    );
  /** What doctor finds, and outcomes that were written over others. */
  const violations = async () => [
    ...(await examine(site.observer.client, INVARIANTS)).map(({ invariant, rows }) => [invariant.code, rows]),
    ...(await site.observer.rows('SELECT * FROM witness.second_outcome')),
    ...(await brokenCreations(site.observer.client)),
  ];

  /** What one batch says of the members: each row has a note of its own, so that each has an effect to be counted. */
  function linesOf(batch: number, random: () => number): object[] {
    const order = Array.from({ length: MEMBERS * MENTIONS }, (_, place) => place % MEMBERS);
    // Forwards, backwards and shuffled: no batch locks in the order of another.
    if (batch % 3 === 1) order.reverse();
    if (batch % 3 === 2) shuffle(order, random);
    const known = new Set<number>();
    return order.map((n, index) => {
      const email = `person${n}@example.org`;
      const row = {
        ...member(n, { ':Email': random() < 0.5 ? email.toUpperCase() : email, 'First Name': 'Same' }),
        Notes: `batch ${batch} row ${index + 1}`,
      };
      const { ':UniqueId': _id, ...byEmail } = row;
      const { ':Email': _email, ...byId } = row;
      // The first line gives both, so that an instance that it creates has both; later ones find it by either.
      const roll = known.has(n) ? random() : 1;
      known.add(n);
      if (roll < 0.3) return byId;
      return roll < 0.6 ? byEmail : row;
    });
  }

  /**
   * Break it: in `lockInstances`, leave out FOR UPDATE (updates are lost); in `blockerOf`, answer null, or in `RowApplication.prepare`, leave out
   * `keepOrder` (lines of one batch overtake each other).
   */
  it(`do ${BATCHES} batches about the same ${MEMBERS} members at once: no update is lost, nothing is there twice, lines keep their order`, async () => {
    const random = seededRandom('collisions');
    const bodies = Array.from({ length: BATCHES }, (_, batch) => linesOf(batch, random));
    const ids = await Promise.all(bodies.map((rows) => post(rows)));
    await site.observer.allEnded(
      ids.map((id) => ({ id })),
      120_000,
    );

    const all = { status: 'completed', total: MEMBERS * MENTIONS, succeeded: MEMBERS * MENTIONS };
    expect(await batchesOf(ids)).toEqual(ids.map(() => all));
    expect(
      await site.observer.rows(
        `SELECT count(*)::integer AS instances, count(DISTINCT attributes ->> ':UniqueId')::integer AS ids,
                count(DISTINCT lower(attributes ->> ':Email'))::integer AS addresses FROM workflow_instance`,
      ),
    ).toEqual([{ instances: MEMBERS, ids: MEMBERS, addresses: MEMBERS }]);
    // Every row has one effect, and the effects on an instance are a chain: each begins where the one before it ended.
    expect(
      await site.observer.rows(
        `SELECT count(*)::integer AS entries,
                count(DISTINCT (workflow_import_queue_batch_id, line_number))::integer AS rows FROM workflow_log`,
      ),
    ).toEqual([{ entries: ROWS, rows: ROWS }]);
    expect(await site.observer.rows(LOST_UPDATES)).toEqual([]);
    expect(await site.observer.rows(OVERTAKEN_LINES)).toEqual([]);
    expect(await violations()).toEqual([]);
    expect(await site.observer.number(`SELECT sum(attempts) FROM import_queue_chunk`)).toBe(0);

    // They did collide: all batches ran at the same time, on all workers.
    const [ran] = await site.observer.rows<{ together: boolean; deadlocks: number }>(
      `SELECT max(started_at) < min(finished_at) AS together,
              (SELECT count(*)::integer FROM import_queue_chunk WHERE last_error LIKE '%deadlock%') AS deadlocks
         FROM import_queue_batch`,
    );
    expect(ran!.together).toBe(true);
    expect(workers.filter(({ alive }) => alive)).toHaveLength(WORKERS);
    process.stdout.write(`collisions: ${ROWS} rows, chunks that met a deadlock: ${ran!.deadlocks}\n`);
  });

  /** Break it: in `TRANSIENT_SQLSTATE`, take 40 out (the deadlock then counts against the records of the chunk). */
  it('repeat a chunk that PostgreSQL ended because of a deadlock, and no record fails', async () => {
    const pair = [member(90_001), member(90_002)];
    await site.observer.allEnded([{ id: await post(pair) }]);
    const [first, second] = await site.observer.rows<{ id: number }>(
      `SELECT workflow_instance_id AS id FROM workflow_instance
        WHERE attributes ->> ':UniqueId' IN ('M-90001', 'M-90002') ORDER BY 1`,
    );
    const rival = new Client({ connectionString: site.database.url, application_name: 'rival' });
    await rival.connect();
    const lock = (id: number) =>
      rival.query('SELECT FROM workflow_instance WHERE workflow_instance_id = $1 FOR UPDATE', [id]);
    // The worker looks for a deadlock after four seconds, the rival never: the worker's is the one to be ended.
    await rival.query(`BEGIN; SET LOCAL deadlock_timeout = '1h'`);
    await lock(second!.id);
    const id = await post(pair.map((row) => ({ ...row, Notes: 'after the deadlock' })));
    await eventually(
      () =>
        site.observer.number(
          `SELECT count(*) FROM pg_stat_activity rival JOIN pg_stat_activity chunk ON rival.pid = ANY (pg_blocking_pids(chunk.pid))
            WHERE rival.datname = current_database() AND rival.application_name = 'rival'`,
        ),
      'the chunk to wait for the rival',
    );
    await lock(first!.id);
    await rival.query('COMMIT');
    await rival.end();

    await site.observer.allEnded([{ id }]);
    expect(await batchesOf([id])).toEqual([{ status: 'completed', total: 2, succeeded: 2 }]);
    // Another worker may have repeated the chunk before the first one records why it was rolled back.
    await eventually(
      () =>
        site.observer.number(
          `SELECT count(*) FROM import_queue_chunk
            WHERE workflow_import_queue_batch_id = $1 AND last_error LIKE '%deadlock detected%'`,
          [id],
        ),
      'the deadlock to be recorded',
    );
    expect(
      await site.observer.rows(
        'SELECT attempts FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1',
        [id],
      ),
    ).toEqual([{ attempts: 0 }]);
    expect(await site.observer.rows(LOST_UPDATES)).toEqual([]);
    expect(await violations()).toEqual([]);
  });
});

/** Entries that do not begin with what the entry before has left, and instances that are not as the last one left them. */
const LOST_UPDATES = `
  SELECT id, entry, before, left_by_former, note FROM (
    SELECT l.workflow_instance_id AS id, l.workflow_log_id AS entry, l.changes -> 'Notes' ->> 0 AS before,
           lag(l.changes -> 'Notes' ->> 1) OVER w AS left_by_former, l.changes -> 'Notes' ->> 1 AS after,
           lead(l.workflow_log_id) OVER w IS NULL AS is_last, i.attributes ->> 'Notes' AS note
      FROM (SELECT workflow_instance_id, workflow_log_id, workflow_log_changes(workflow_log) AS changes
              FROM workflow_log) l
      JOIN workflow_instance i USING (workflow_instance_id)
    WINDOW w AS (PARTITION BY l.workflow_instance_id ORDER BY l.workflow_log_id)) chain
   WHERE before IS DISTINCT FROM left_by_former OR is_last AND note IS DISTINCT FROM after
   LIMIT 5`;

/** Lines that had their effect on an instance after a later line of their batch. */
const OVERTAKEN_LINES = `
  WITH effect AS (
    SELECT workflow_instance_id AS id, workflow_import_queue_batch_id AS batch, workflow_log_id AS entry,
           line_number AS line
      FROM workflow_log)
  SELECT later.id, later.batch, later.line AS "was before", earlier.line
    FROM effect later
    JOIN effect earlier ON earlier.id = later.id AND earlier.batch = later.batch AND earlier.line < later.line
   WHERE earlier.entry > later.entry
   LIMIT 5`;

function shuffle(list: number[], random: () => number): void {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [list[last], list[other]] = [list[other]!, list[last]!];
  }
}
