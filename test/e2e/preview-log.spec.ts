import * as fc from 'fast-check';
import { Client } from 'pg';
import { brokenCreations } from '../support/creations.js';
import { ImportClient, jsonl, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

type Changes = Record<string, [before: unknown, after: unknown]>;

/** Few people and few values, so that rows meet people who exist, people of earlier rows, and each other's identifiers. */
const person = fc.integer({ min: 1, max: 12 });
const values = fc.record(
  {
    'Last Name': fc.constantFrom('Lee', 'Ray', null),
    Hours: fc.constantFrom(4, 4.5, 0, null),
    'Date Of Birth': fc.constantFrom('1953-11-13', '1985-02-01', null),
    Level: fc.constantFrom('Fellow', 'Associate', null),
    Notes: fc.constantFrom('a', '', null),
  },
  { requiredKeys: [] },
);
/** Some rows name two people by their identifiers, and some lack or break a value. */
const row = fc
  .tuple(person, fc.option(person, { freq: 1 }), fc.nat(9), fc.constantFrom('Ann', 'Bo', 'Cleo'), values)
  .map(([n, other, kind, name, more]) => ({
    ...(kind !== 0 && { ':UniqueId': `L-${n}` }),
    ...(kind < 6 && {
      ':Email': `${kind === 1 ? 'P' : 'p'}${kind === 2 ? (other ?? n) : n}@log.example.org`,
    }),
    ...(kind !== 3 && { 'First Name': name }),
    ...more,
    ...(kind === 9 && { Level: 'Knight' }),
  }));

const target = fc.record({
  onNoMatch: fc.constantFrom('create' as const, 'create' as const, 'reject' as const),
  onMatch: fc.constantFrom(
    'update' as const,
    'update' as const,
    'update' as const,
    'skip' as const,
    'reject' as const,
  ),
});

describe('the log of a confirmed upload', () => {
  let test: TestApp;
  let client: ImportClient;
  let sql: Client;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '4' });
    client = new ImportClient(test.url);
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  const previewed = async (self: string) => {
    const { body } = await client.get(`${self}/Preview?limit=500`);
    expect(body.nextCursor).toBeNull();
    const changes = new Map<number, Changes>();
    for (const { line, operation, changes: each } of body.items as any[]) {
      if (operation !== 'created' && operation !== 'updated')
        expect([operation, each]).toEqual([operation, []]);
      else
        changes.set(
          line,
          Object.fromEntries(each.map(({ field, before, after }: any) => [field, [before, after]])),
        );
    }
    return changes;
  };
  const logged = async (batchId: number) => {
    const { rows } = await sql.query<{ line: number; changes: Changes }>(
      `SELECT line_number AS line, workflow_log_changes(workflow_log) AS changes FROM workflow_log
        WHERE workflow_import_queue_batch_id = $1 ORDER BY line_number, workflow_log_id`,
      [batchId],
    );
    expect(new Set(rows.map(({ line }) => line)).size).toBe(rows.length);
    return new Map(rows.map(({ line, changes }) => [line, changes]));
  };

  /**
   * Break it: in `RowPreview.see`, do not `keep`, or leave the changes of updated rows out; in `countChanges`, count created
   * rows, too.
   */
  it('equals its preview, change by change', async () => {
    let updates = 0;
    let cleared = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 30 }),
        target,
        async (rows, configuration) => {
          const importProcessId = await client.setUp(MEMBER_WORKFLOW, configuration, { ordered: true });
          const answer = await client.upload(jsonl(rows), { importProcessId });
          expect(answer.status).toBe(202);
          const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, links, summary } = answer.body;
          const preview = await previewed(links.self);
          await client.act(answer, 'Confirm');
          await client.ended(id);
          const log = await logged(id);
          expect(Object.fromEntries(log)).toEqual(Object.fromEntries(preview));
          expect(await brokenCreations(sql)).toEqual([]);
          // The summary counts the same changes.
          const updated = [...log.values()].filter((each) => each[':WorkflowStatus']?.[0] !== null);
          const fields: Record<string, number> = {};
          for (const each of updated)
            for (const field of Object.keys(each)) fields[field] = (fields[field] ?? 0) + 1;
          const counted = summary.fieldChanges.map(({ field, count }: any) => [field, count]);
          expect(Object.fromEntries(counted)).toEqual(fields);
          const values = updated.flatMap((each) => Object.values(each)).filter(([, after]) => after === null);
          expect(summary.cleared.values).toBe(values.length);
          updates += updated.length;
          cleared += values.length;
        },
      ),
      { numRuns: 25, seed: 20_261_128, endOnFailure: true },
    );
    // Otherwise the test would have compared little.
    expect(updates).toBeGreaterThan(40);
    expect(cleared).toBeGreaterThan(5);
  }, 180_000);
});
