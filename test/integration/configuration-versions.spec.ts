import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import type { ImportProcessInput } from '../../src/import-processes/import-process.js';
import {
  CompiledImportProcesses,
  ImportProcessesService,
} from '../../src/import-processes/import-processes.service.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { PinnedConfiguration, RecordTarget } from '../../src/records/target.js';
import { TargetRegistry } from '../../src/targets/targets.module.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const compiled = { columns: [], schema: {}, checkRow: () => ({ error: null, orderingKeys: [] }) };
let compilations: PinnedConfiguration[] = [];
let compile: (configuration: PinnedConfiguration) => Promise<typeof compiled>;

/** A target of an adopter's own: the services must not depend on which targets are built in. */
const echoTarget: RecordTarget = {
  kind: 'echo',
  validate: async () => [],
  pin: async () => ({ workflowVersion: 7 }),
  compile: (configuration) => {
    compilations.push(configuration);
    return compile(configuration);
  },
  process: async () => [],
};

const input = (changes: Partial<ImportProcessInput> = {}): ImportProcessInput => ({
  name: 'Member import',
  description: '',
  note: '',
  icon: '',
  displayOrder: 0,
  status: 'active',
  retentionDays: null,
  ordered: false,
  priority: 'normal',
  maxFailed: null,
  maxFailedPercent: null,
  timeZone: 'UTC',
  allowWithoutIdentifier: false,
  target: { kind: 'echo' },
  recordSchema: null,
  ...changes,
});

const definition = (title = 'Grant Role'): WorkflowDefinition => ({
  name: 'grant-role',
  title,
  entityType: 'MemberRole',
  identifiers: [{ name: ':Email', unique: true }],
  attributes: [{ name: 'First Name', type: 'ShortText' }],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [{ id: 11, name: 'Grant', inputs: ['First Name'], primary: { kind: 'save' } }],
    },
  ],
});

describe('versions of configuration', () => {
  let testDatabase: TestDatabase;
  let source: DataSource;
  let database: DatabaseService;
  let workflows: WorkflowDefinitionsService;
  let processes: ImportProcessesService;
  let compiledProcesses: CompiledImportProcesses;

  beforeEach(async () => {
    testDatabase = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: testDatabase.url, databasePoolSize: 10, migrateOnStart: false }),
    ).initialize();
    database = new DatabaseService(source);
    const targets = new TargetRegistry([echoTarget]);
    workflows = new WorkflowDefinitionsService(database);
    processes = new ImportProcessesService(database, targets);
    compiledProcesses = new CompiledImportProcesses(database, targets, processes);
    compilations = [];
    compile = async () => compiled;
  });

  afterEach(async () => {
    await source.destroy();
    await testDatabase.drop();
  });

  describe('of a workflow', () => {
    it('makes a version of each of eight simultaneous replacements', async () => {
      await workflows.create(definition(), 'api-key:1');
      const stored = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          workflows.replace('grant-role', definition(`T${n}`), 'api-key:1'),
        ),
      );
      expect(stored.map(({ version }) => version).sort()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
      expect((await workflows.current('grant-role')).version).toBe(9);
    });

    it('keeps every version as it was, member order included', async () => {
      await workflows.create(definition('first'), 'api-key:1');
      await workflows.replace('grant-role', definition('second'), 'api-key:1');
      const { definition: first } = await workflows.version('grant-role', 1);
      expect(JSON.stringify(first)).toBe(JSON.stringify(definition('first')));
      await expect(workflows.version('grant-role', 3)).rejects.toMatchObject({ code: 'workflow_not_found' });
    });

    it('makes one workflow of two simultaneous creations and refuses the other', async () => {
      const outcomes = await Promise.allSettled(
        [1, 2].map(() => workflows.create(definition(), 'api-key:1')),
      );
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(outcomes.find((outcome) => outcome.status === 'rejected')).toMatchObject({
        reason: { status: 409, code: 'workflow_name_taken' },
      });
    });

    it('refuses a replacement of a version that is not current', async () => {
      await workflows.create(definition(), 'api-key:1');
      await workflows.replace('grant-role', { ...definition(), version: 1 }, 'api-key:1');
      const late = { ...definition(), version: 1 };
      await expect(workflows.replace('grant-role', late, 'api-key:1')).rejects.toMatchObject({
        status: 409,
        code: 'version_conflict',
      });
    });
  });

  describe('of an import process', () => {
    it('makes a version of each of eight simultaneous replacements', async () => {
      const { id } = await processes.create(input(), 'api-key:1');
      await Promise.all(
        Array.from({ length: 8 }, (_, n) => processes.replace(id, input({ displayOrder: n }), 'api-key:1')),
      );
      expect((await processes.get(id)).version).toBe(9);
    });

    it('pins the version, and what its target pins', async () => {
      const { id } = await processes.create(input({ ordered: true }), 'api-key:1');
      await expect(processes.pin(id)).resolves.toEqual({
        id,
        version: 1,
        name: 'Member import',
        ordered: true,
        priority: 'normal',
        maxFailed: null,
        maxFailedPercent: null,
        timeZone: 'UTC',
        allowWithoutIdentifier: false,
        target: { kind: 'echo' },
        recordSchema: null,
        workflowVersion: 7,
      });
    });

    it('does not pin one that is disabled or unknown', async () => {
      const { id } = await processes.create(input({ status: 'disabled' }), 'api-key:1');
      await expect(processes.pin(id)).rejects.toMatchObject({ status: 409, code: 'import_process_disabled' });
      await expect(processes.pin(id + 1)).rejects.toMatchObject({
        status: 404,
        code: 'import_process_not_found',
      });
    });

    it('does not delete one that a batch uses, and suggests disabling it', async () => {
      const { id } = await processes.create(input(), 'api-key:1');
      await database.query(
        `INSERT INTO import_queue_batch
           (file_name, import_process_id, import_process_version, creation_path, status, created_by)
         VALUES ('a.jsonl', $1, 1, 'IMPORT_QUEUE_API', 'queued', 'api-key:1')`,
        [id],
      );
      await expect(processes.delete(id, 'test')).rejects.toMatchObject({
        status: 409,
        code: 'import_process_in_use',
      });
      await expect(processes.get(id)).resolves.toMatchObject({ id });
    });

    it('keeps each name for one import process only', async () => {
      await processes.create(input(), 'api-key:1');
      const other = await processes.create(input({ name: 'Other' }), 'api-key:1');
      const taken = { status: 409, code: 'import_process_name_taken' };
      await expect(processes.create(input(), 'api-key:1')).rejects.toMatchObject(taken);
      await expect(processes.replace(other.id, input(), 'api-key:1')).rejects.toMatchObject(taken);
      await expect(processes.get(other.id)).resolves.toMatchObject({ name: 'Other', version: 1 });
    });
  });

  describe('compiled', () => {
    it('are compiled once for many callers, each version separately', async () => {
      const { id } = await processes.create(
        input({ recordSchema: { type: 'object', anyOf: [true] } }),
        'api-key:1',
      );
      await processes.replace(id, input(), 'api-key:1');
      await Promise.all([1, 1, 1, 2].map((version) => compiledProcesses.get(id, version, 7)));
      const { pinned } = await compiledProcesses.get(id, 1, 7);
      expect(compilations).toHaveLength(2);
      expect(JSON.stringify(pinned.recordSchema)).toBe('{"type":"object","anyOf":[true]}');
      expect(pinned.workflowVersion).toBe(7);
    });

    it('are compiled again after a failure', async () => {
      const { id } = await processes.create(input(), 'api-key:1');
      compile = () => Promise.reject(new Error('connection lost'));
      await expect(compiledProcesses.get(id, 1, null)).rejects.toThrow('connection lost');
      compile = async () => compiled;
      await expect(compiledProcesses.get(id, 1, null)).resolves.toMatchObject({ compiled });
    });
  });
});
