import { examine } from '../../src/operations/doctor/examination.js';
import { INVARIANTS } from '../../src/operations/doctor/invariants.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { brokenCreations } from '../support/creations.js';
import { grantRole } from '../support/grant-role-definition.js';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

const WORKFLOW = grantRole({ grant: { required: ['First Name'] } });

const TABLES =
  'workflow_instance, workflow_identifier, workflow_log, import_queue_batch, import_queue_line, import_queue_outcome';

describe('POST …/Batches/{id}/Undo', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  let sql: DatabaseService;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '4' });
    client = new ImportClient(test.url);
    sql = test.app.get(DatabaseService);
    importProcessId = await client.setUp(WORKFLOW);
  });
  afterEach(async () => {
    expect(await examine(sql, INVARIANTS)).toEqual([]);
    await emptyTables(sql, TABLES);
  });
  afterAll(() => test.close());

  const path = (id: number, route: string) => `/API/WorkflowImportQueue/Batches/${id}/${route}`;

  /** Imports rows to the end; answers the id of the batch. */
  async function imported(rows: object[]): Promise<number> {
    const { status, body } = await client.createBatch(jsonl(rows), { importProcessId });
    expect(status).toBe(202);
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  }

  /** Undoes a batch to the end. */
  async function undone(id: number) {
    const answer = await client.post(path(id, 'Undo'));
    expect(answer.status).toBe(202);
    const undoId: number = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const batch = await client.ended(undoId);
    const records: any[] = (await client.get(`${path(undoId, 'Records')}?limit=200`)).body.items;
    return { answer, undoId, batch, records };
  }

  /** Everything that imports store about instances, apart from the times of changes. */
  async function dump() {
    const { rows: instances } = await sql.query<{
      workflow_instance_id: number;
      attributes: Record<string, unknown>;
    }>(
      `SELECT workflow_instance_id, workflow_id, status, step, attributes, created_at FROM workflow_instance
        ORDER BY length(attributes ->> ':UniqueId'), attributes ->> ':UniqueId'`,
    );
    const { rows: identifiers } = await sql.query('SELECT * FROM workflow_identifier ORDER BY 1, 2, 3, 4');
    return { instances, identifiers };
  }

  const operations = (records: any[]) => records.map(({ operation }) => operation);
  const people = (count: number, more: object = {}, from = 0) =>
    Array.from({ length: count }, (_, n) => member(from + n, { ...more }));

  it('reverts what a batch created and updated, in a linked batch, and deletes what it created', async () => {
    await imported(people(5));
    const before = await dump();
    const id = await imported([
      ...people(10, { 'First Name': 'Changed', Level: null }),
      ...people(2, {}, 20),
    ]);
    const { answer, undoId, batch, records } = await undone(id);

    expect(answer.headers.get('location')).toBe(path(undoId, '').slice(0, -1));
    expect(answer.body).toMatchObject({
      undoOf: id,
      creationPath: 'IMPORT_QUEUE_UNDO',
      fileName: 'test.jsonl',
      createdFrom: { kind: 'undo', batchId: id },
      recordCounts: { total: 12 },
    });
    expect(batch).toMatchObject({
      status: 'completed',
      recordCounts: { total: 12, succeeded: 12 },
      operations: { created: 0, updated: 0, unchanged: 0, reverted: 12, kept: 0 },
    });
    expect(records.map(({ line, status, operation }) => [line, status, operation])).toEqual(
      Array.from({ length: 12 }, (_, n) => [n + 1, 'succeeded', 'reverted']),
    );
    expect(records[0].record).toMatchObject({ 'First Name': 'Changed' });
    expect(await dump()).toEqual(before);
    const original = await client.batch(id);
    expect(original).toMatchObject({
      undoneBy: undoId,
      operations: { created: 7, updated: 5, unchanged: 0 },
    });
    expect(original.links.undo).toBeUndefined();
    expect(batch.links.undo).toBeDefined();
    expect(batch.links.retryFailed).toBeUndefined();
  });

  it('keeps the half that another import has changed since, and says who changed it and when', async () => {
    await imported(people(20));
    const before = await dump();
    const a = await imported(people(20, { 'First Name': 'By A' }));
    const b = await imported(people(10, { 'First Name': 'By B' }));
    const afterB = await dump();
    const { batch, records } = await undone(a);

    expect(batch).toMatchObject({
      status: 'completed',
      recordCounts: { succeeded: 10, skipped: 10 },
      operations: { reverted: 10, kept: 10 },
    });
    const after = await dump();
    expect(after.instances.slice(0, 10)).toEqual(afterB.instances.slice(0, 10));
    expect(after.instances.slice(10)).toEqual(before.instances.slice(10));
    expect(after.identifiers).toEqual(before.identifiers);
    expect(records[0]).toMatchObject({ line: 1, status: 'skipped', operation: 'kept' });
    expect(records[0].error.code).toBe('changed_since');
    const { createdBy } = await client.batch(b);
    expect(records[0].error.message).toMatch(
      new RegExp(`^changed by ${createdBy} at \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z \\(batch ${b}, line 1\\)`),
    );
    const kept = await client.get(
      `${path(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 'Records')}?errorCode=changed_since`,
    );
    expect(kept.body.items).toHaveLength(10);
    const groups = await client.get(path(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID, 'ErrorGroups'));
    expect(groups.body.items).toEqual([]);
  });

  it('restores everything when the undo is undone, and can then be undone again', async () => {
    await imported(people(6));
    const start = await dump();
    const id = await imported([
      ...people(8, { 'First Name': 'Changed' }),
      member(2, { 'First Name': 'Twice' }),
      member(7, { Level: 'Associate' }),
    ]);
    const before = await dump();
    const { undoId } = await undone(id);
    expect(await dump()).toEqual(start);
    const redo = await undone(undoId);
    expect(operations(redo.records)).toEqual(Array(10).fill('reverted'));
    expect(await dump()).toEqual(before);
    expect(await client.batch(id)).toMatchObject({ undoneBy: null });
    const again = await undone(id);
    expect(operations(again.records)).toEqual(Array(10).fill('reverted'));
    expect(await dump()).toEqual(start);
    expect(await client.batch(id)).toMatchObject({ undoneBy: again.undoId });
  });

  it('undoes an import after the later ones were undone', async () => {
    const a = await imported(people(3));
    const b = await imported(people(3, { 'First Name': 'By B' }));
    await undone(b);
    const { records } = await undone(a);
    expect(operations(records)).toEqual(['reverted', 'reverted', 'reverted']);
    expect(await dump()).toEqual({ instances: [], identifiers: [] });
  });

  it('reverts several records about one instance in other chunks from the last one to the first', async () => {
    await imported([member(1)]);
    const before = await dump();
    const id = await imported(
      Array.from({ length: 30 }, (_, n) =>
        n % 3 === 0 ? member(1, { 'First Name': `Name ${n}` }) : member(100 + n),
      ),
    );
    const { records } = await undone(id);
    expect(operations(records)).toEqual(Array(30).fill('reverted'));
    expect(await dump()).toEqual(before);
  });

  it('gives identifiers back that moved from one instance to another', async () => {
    const [x, y] = [member(1), member(2)];
    await imported([x, y]);
    const before = await dump();
    const other = (n: number) => member(100 + n);
    // The address of the first person goes to the second one, in another chunk.
    const id = await imported([
      { ...x, ':Email': 'new@example.org' },
      ...[1, 2, 3, 4, 5].map(other),
      { ...y, ':Email': x[':Email'] },
    ]);
    const preview = await client.get(path(id, 'UndoPreview'));
    expect(operations(preview.body.items)).toEqual(Array(7).fill('reverted'));
    const { records, undoId } = await undone(id);
    expect(operations(records)).toEqual(Array(7).fill('reverted'));
    expect(await dump()).toEqual(before);
    await undone(undoId);
    const { rows } = await sql.query(
      `SELECT workflow_instance_id FROM workflow_identifier WHERE name = ':Email' AND value = $1`,
      [x[':Email']],
    );
    expect(rows).toEqual([{ workflow_instance_id: before.instances[1]!.workflow_instance_id }]);
  });

  it('keeps an instance whose former unique identifier was taken since', async () => {
    await imported([member(1), member(2)]);
    const a = await imported([
      { ...member(1), ':Email': 'moved1@example.org' },
      { ...member(2), ':Email': 'moved2@example.org' },
    ]);
    await imported([{ ...member(3), ':Email': member(1)[':Email'] }]);
    const before = await dump();
    const preview = await client.get(path(a, 'UndoPreview'));
    const { records } = await undone(a);
    expect(operations(records)).toEqual(['kept', 'reverted']);
    expect(records[0].error).toMatchObject({
      code: 'changed_since',
      message: expect.stringMatching(
        /^:Email "person1@example.org" now belongs to instance \d+, last changed by /,
      ),
    });
    expect(operations(preview.body.items)).toEqual(['kept', 'reverted']);
    expect(preview.body.items[0].error).toEqual({ ...records[0].error, pointer: undefined });
    expect((await dump()).instances[0]).toEqual(before.instances[0]);
  });

  it('fails a record whose entry in the log was erased, and keeps an instance that changed without an entry', async () => {
    const id = await imported(people(3));
    const { rows } = await sql.query<{ workflow_instance_id: number }>(
      'SELECT workflow_instance_id FROM workflow_instance ORDER BY 1',
    );
    const [first, second] = rows.map((row) => row.workflow_instance_id);
    const erasure = await client.post('/API/People/Erase', {
      identifier: { name: ':UniqueId', value: 'M-0' },
      mode: 'anonymize',
      dryRun: false,
    });
    expect(erasure.status).toBe(200);
    await sql.query('DELETE FROM workflow_log WHERE workflow_instance_id = $1', [second]);
    const preview = await client.get(path(id, 'UndoPreview'));
    expect(operations(preview.body.items)).toEqual(['kept', 'failed', 'reverted']);
    const { batch, records } = await undone(id);
    expect(records.map(({ status, error }) => [status, error?.code])).toEqual([
      ['skipped', 'changed_since'],
      ['failed', 'not_logged'],
      ['succeeded', undefined],
    ]);
    expect(batch).toMatchObject({ status: 'completed_with_errors', recordCounts: { failed: 1 } });
    expect((await dump()).instances.map((each) => each.workflow_instance_id).sort()).toEqual([first, second]);
    await sql.query('DELETE FROM workflow_instance WHERE workflow_instance_id = $1', [second]);
    await sql.query('DELETE FROM workflow_identifier WHERE workflow_instance_id = $1', [second]);
    await sql.query(
      `UPDATE import_queue_outcome SET outcome = 'n' WHERE workflow_import_queue_batch_id = $1 AND line_number = 2`,
      [id],
    );
    await sql.query(
      `UPDATE import_queue_chunk SET created_count = created_count - 1, unchanged_count = unchanged_count + 1
        WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    await sql.query(
      `UPDATE import_queue_batch SET created_count = created_count - 1, unchanged_count = unchanged_count + 1
        WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
  });

  it('keeps what someone changed by SQL since the creation, and shows the creation by the values before later changes', async () => {
    const id = await imported(people(3));
    await imported([member(1, { 'First Name': 'Later' })]);
    await sql.query(`UPDATE workflow_instance SET attributes = attributes || '{"Hours": 99}'
                      WHERE attributes ->> ':UniqueId' = 'M-0'`);
    const { rows } = await sql.query<{ id: number; name: string }>(
      `SELECT workflow_instance_id AS id, workflow_log_changes(l) -> 'First Name' ->> 1 AS name FROM workflow_log l
        WHERE workflow_import_queue_batch_id = $1 ORDER BY line_number`,
      [id],
    );
    expect(rows.map(({ name }) => name)).toEqual(people(3).map((each: any) => each['First Name']));
    const page = await client.get(`/API/Workflows/${WORKFLOW.name}/Instances/${rows[1]!.id}`);
    expect(page.body.log.items.map(({ changes }: any) => changes['First Name'])).toEqual([
      [rows[1]!.name, 'Later'],
      [null, rows[1]!.name],
    ]);
    const { records } = await undone(id);
    expect(records.map(({ status, error }) => [status, error?.code])).toEqual([
      ['skipped', 'changed_since'],
      ['skipped', 'changed_since'],
      ['succeeded', undefined],
    ]);
    // The deletion keeps all values, so that what was created is still known.
    const deleted = await sql.query<{ name: string }>(
      `SELECT workflow_log_changes(l) -> 'First Name' ->> 1 AS name FROM workflow_log l
        WHERE workflow_import_queue_batch_id = $1 AND line_number = 3`,
      [id],
    );
    expect(deleted.rows).toEqual([{ name: rows[2]!.name }]);
  });

  it('leaves values of people only in the log, where erasure finds them', async () => {
    const { undoId } = await undone(await imported([member(5), member(6)]));
    const identifier = { name: ':Email', value: 'Person5@example.org' };
    const erasure = await client.post('/API/People/Erase', { identifier, mode: 'erase', dryRun: false });
    expect([erasure.status, erasure.body.instances?.length]).toEqual([200, 1]);
    const { rows } = await sql.query<{ changes: object }>(
      'SELECT workflow_log_changes(workflow_log) AS changes FROM workflow_log',
    );
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain('First 5');
    // The other one can still be restored.
    expect(operations((await undone(undoId)).records)).toEqual(['rejected', 'reverted']);
  });

  describe('UndoPreview', () => {
    it('answers for each record what the undo then does', async () => {
      await imported(people(12));
      const a = await imported([
        ...people(14, { 'First Name': 'By A' }),
        member(3, { 'First Name': 'Twice' }),
      ]);
      const b = await imported(people(4, { Level: 'Associate' }, 8));
      const { status, body } = await client.get(`${path(a, 'UndoPreview')}?limit=200`);
      expect(status).toBe(200);
      expect(body.items[0]).toEqual({
        line: 1,
        row: 1,
        operation: 'reverted',
        reference: expect.stringMatching(/^\d+$/),
        changes: [{ field: 'First Name', before: 'By A', after: 'First 0' }],
        error: null,
        sent: [],
      });
      expect(body.items[13].changes).toContainEqual({ field: ':UniqueId', before: 'M-13', after: null });
      expect(body.items[8].error.message).toContain(`(batch ${b}, line 1)`);
      const { records } = await undone(a);
      expect(records.map(({ line, operation }) => [line, operation])).toEqual(
        body.items.map(({ line, operation }: any) => [line, operation]),
      );
    });

    it('pages through the records of one operation', async () => {
      await imported(people(9));
      const a = await imported(people(9, { 'First Name': 'By A' }));
      await imported([member(1, { 'First Name': 'By B' }), member(7, { 'First Name': 'By B' })]);
      const lines: number[] = [];
      for (let after = ''; ;) {
        const { body, headers } = await client.get(
          `${path(a, 'UndoPreview')}?operation=reverted&limit=3${after}`,
        );
        lines.push(...body.items.map(({ line }: any) => line));
        if (body.nextCursor === null) break;
        expect(headers.get('link')).toContain('rel="next"');
        after = `&after=${body.nextCursor}`;
      }
      expect(lines).toEqual([1, 3, 4, 5, 6, 7, 9]);
      const kept = await client.get(`${path(a, 'UndoPreview')}?operation=kept`);
      expect(kept.body.items.map(({ line }: any) => line)).toEqual([2, 8]);
    });
  });

  describe('refuses', () => {
    const refusals = async (id: number): Promise<Answer[]> => [
      await client.post(path(id, 'Undo')),
      await client.get(path(id, 'UndoPreview')),
    ];

    it('a batch that was undone already', async () => {
      const id = await imported(people(2));
      const { undoId } = await undone(id);
      for (const { status, body } of await refusals(id)) {
        expect([status, body.code]).toEqual([409, 'already_undone']);
        expect(body.detail).toContain(`Batch ${undoId} undid batch ${id}`);
      }
    });

    it('all but one of several simultaneous calls', async () => {
      const id = await imported(people(8));
      const answers = await Promise.all(Array.from({ length: 5 }, () => client.post(path(id, 'Undo'))));
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409, 409, 409]);
      await client.ended(answers.find(({ status }) => status === 202)!.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    });

    it('a batch that has not ended', async () => {
      const { body } = await client.upload(`:UniqueId,First Name\nX-1,Ada\n`, { importProcessId });
      const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      for (const each of await refusals(id)) {
        expect([each.status, each.body.code, each.body.currentStatus]).toEqual([
          409,
          'state_conflict',
          'awaiting_confirmation',
        ]);
      }
      await client.post(path(id, 'Abandon'));
    });

    it('a batch whose records were deleted', async () => {
      const id = await imported(people(2));
      await client.post(path(id, 'Delete'));
      for (const { status, body } of await refusals(id)) {
        expect([status, body.code]).toEqual([410, 'batch_expired']);
      }
      expect((await client.batch(id)).links.undo).toBeUndefined();
    });

    it('a batch that changed nothing', async () => {
      const id = await imported([{ ':UniqueId': 'M-1' }]);
      const { status, body } = await client.post(path(id, 'Undo'));
      expect([status, body.code]).toEqual([409, 'state_conflict']);
      expect((await client.batch(id)).links.undo).toBeUndefined();
      expect((await client.get(path(id, 'UndoPreview'))).body.items).toEqual([]);
    });

    it('to send records of an undo again', async () => {
      const { undoId } = await undone(await imported(people(2)));
      for (const route of ['RetryFailed', 'Fix']) {
        const { status, body } = await client.post(
          path(undoId, route),
          route === 'Fix' ? { lines: {} } : undefined,
        );
        expect([status, body.code]).toEqual([409, 'state_conflict']);
        expect(body.detail).toContain('is the undo of batch');
      }
    });
  });

  it('reverts in parallel with imports of the same people without losing a change', async () => {
    await imported(people(40));
    const a = await imported(people(40, { 'First Name': 'By A' }));
    const [undo, ...others] = await Promise.all([
      client.post(path(a, 'Undo')),
      ...[0, 1, 2].map((n) =>
        client.createBatch(jsonl(people(40, { 'First Name': `By ${n}` })), { importProcessId }),
      ),
    ]);
    for (const { body } of [undo, ...others]) await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    // Replays the log of each instance: every entry begins with what the one before it left.
    const { rows } = await sql.query<{ id: number; changes: Record<string, [unknown, unknown]> }>(
      'SELECT workflow_instance_id AS id, workflow_log_changes(workflow_log) AS changes FROM workflow_log ORDER BY workflow_log_id',
    );
    expect(await brokenCreations(sql)).toEqual([]);
    const names = new Map<number, unknown>();
    for (const { id, changes } of rows) {
      const name = changes['First Name'];
      if (name === undefined) continue;
      expect(name[0]).toEqual(names.get(id) ?? null);
      names.set(id, name[1]);
    }
    const { instances } = await dump();
    expect(instances).toHaveLength(40);
    for (const { workflow_instance_id: id, attributes } of instances) {
      expect(attributes['First Name']).toBe(names.get(id));
    }
  });
});
