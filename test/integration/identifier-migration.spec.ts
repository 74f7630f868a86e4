import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { NormalizeIdentifiers1765310000000 } from '../../src/app/migrations/0.2.0-trust.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { WorkflowTarget } from '../../src/targets/workflow/workflow.target.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { MEMBERSHIP } from '../support/workflow-fixture.js';

/** By instance: the identifiers that the version before stored, as they were written. */
const BEFORE: [id: number, name: string, value: string][] = [
  [1, ':UniqueId', 'M-1'],
  [2, ':UniqueId', 'M-1 '],
  [3, ':UniqueId', '\u200bM-2\u00a0'],
  [4, ':UniqueId', 'M-3 '],
  [5, ':UniqueId', ' M-3'],
  [6, ':UniqueId', 'e\u0301'],
  [7, ':UniqueId', '\u200b'],
  [8, ':Team', 'Red'],
  [9, ':Team', 'Red '],
];

describe('the migration that normalizes identifiers', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 4, migrateOnStart: false }),
    ).initialize();
    await new WorkflowDefinitionsService(new DatabaseService(source)).create(MEMBERSHIP, 'test');
    for (const [id, name, value] of BEFORE) {
      await source.query(
        `INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, attributes)
         VALUES ($1, 1, 'incomplete', $2)`,
        [id, JSON.stringify({ [name]: value })],
      );
      await source.query(
        `INSERT INTO workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)
         VALUES (1, $1, $2, $3, $4)`,
        [name, value, name === ':Team' ? id : 0, id],
      );
    }
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    await new NormalizeIdentifiers1765310000000().up(runner);
    await runner.commitTransaction();
    await runner.release();
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  it('rewrites values of single instances and adds the common value where several collide', async () => {
    const rows = await source.query<{ id: string; value: string; shared: boolean }[]>(
      `SELECT workflow_instance_id::integer AS id, value, distinguisher <> 0 AS shared
         FROM workflow_identifier ORDER BY 1, 2`,
    );
    expect(rows.map(({ id, value, shared }) => [id, value, shared])).toEqual([
      [1, 'M-1', false],
      [2, 'M-1', true],
      [2, 'M-1 ', false],
      [3, 'M-2', false],
      [4, 'M-3', true],
      [4, 'M-3 ', false],
      [5, ' M-3', false],
      [5, 'M-3', true],
      [6, '\u00e9', false],
      [7, '\u200b', false],
      [8, 'Red', true],
      [9, 'Red', true],
    ]);
  });

  it('lets rows find single instances, and rejects those that match several', async () => {
    const data = new DatabaseService(source);
    const target = new WorkflowTarget(new WorkflowDefinitionsService(data));
    const compiled = await target.compile({
      target: {
        kind: 'workflow',
        workflow: 'membership',
        step: 'Import',
        action: 'Save',
        onNoMatch: 'create',
        onMatch: 'update',
      },
      recordSchema: null,
      workflowVersion: 1,
    });
    const records = ['M-1', 'M-2', 'M-3', '\u00e9 '].map((id, index) => ({
      line: index + 1,
      payload: JSON.stringify({ ':UniqueId': id, Name: 'Ada' }),
    }));
    const outcomes = await data.transaction((transaction) =>
      target.process(records, {
        ...{ batchId: 1, chunkNumber: 1, compiled, actor: 'api-key:1', transaction },
        keepOrder: () => undefined,
      }),
    );
    const results = outcomes
      .sort((a, b) => a.line - b.line)
      .map((outcome) => ('error' in outcome ? outcome.error.code : outcome.reference));
    expect(results).toEqual(['ambiguous_match', '3', 'ambiguous_match', '6']);
  });
});
