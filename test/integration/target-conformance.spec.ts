import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { DatabaseService } from '../../src/platform/database/database.service.js';
import type { RecordTarget } from '../../src/records/target.js';
import { WorkflowTarget } from '../../src/targets/workflow/workflow.target.js';
import { WorkflowDefinitionsService } from '../../src/workflows/definition/workflow-definitions.service.js';
import { describeTarget } from '../conformance/record-target.js';
import { EffectsTarget } from '../support/effects-target.js';
import { MEMBERSHIP } from '../support/workflow-fixture.js';

const ROOT = resolve(import.meta.dirname, '../..');

const counter = (database: DatabaseService, table: string) => async () => {
  const { rows } = await database.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${table}`);
  return rows[0]?.count ?? 0;
};

describeTarget('the target of workflows', async (database) => {
  const workflows = new WorkflowDefinitionsService(database);
  await workflows.create(MEMBERSHIP, 'test');
  const configuration = {
    kind: 'workflow',
    workflow: 'membership',
    step: 'Import',
    action: 'Save',
    onNoMatch: 'create',
    onMatch: 'update',
  };
  return {
    target: new WorkflowTarget(workflows),
    configuration,
    unusable: { ...configuration, workflow: 'memberhsip', onMatch: 'overwrite' },
    rows: [
      { ':UniqueId': '1', Name: 'Ada' },
      { ':UniqueId': '2', ':Email': 'bob@example.org', Hours: 7 },
    ],
    invalid: { ':UniqueId': '3', Hours: 'many' },
    failing: { ':UniqueId': '1', ':Email': 'bob@example.org' },
    effects: counter(database, 'workflow_log'),
  };
});

describeTarget('the target of the tests', async (database) => {
  await EffectsTarget.prepare(database);
  return {
    target: new EffectsTarget(),
    configuration: { kind: 'effects' },
    rows: [{ do: 'succeed' }, { do: 'succeed', number: 2 }],
    failing: { do: 'fail' },
    effects: counter(database, 'effect'),
  };
});

/** The first block of TypeScript of docs/targets.md, type-checked as it stands in the folder that the page names. */
async function exampleOfTheDocs(): Promise<RecordTarget> {
  const page = await readFile(join(ROOT, 'docs/targets.md'), 'utf8');
  const [, code = ''] = /```ts\n(.*?)```/s.exec(page) ?? [];
  const folder = join(ROOT, '.cache/docs-example');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'contacts.target.ts'), code.replaceAll(`'../../`, `'../../src/`));
  const project = {
    extends: '../../tsconfig.json',
    include: ['*.ts'],
    compilerOptions: { incremental: false, tsBuildInfoFile: null },
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(project));
  await promisify(execFile)(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    folder,
  ]).catch(({ stdout }: { stdout: string }) => {
    throw new Error(stdout);
  });
  const { ContactsTarget } = (await import(join(folder, 'contacts.target.ts'))) as {
    ContactsTarget: new () => RecordTarget;
  };
  return new ContactsTarget();
}

describeTarget('the example of docs/targets.md', async (database) => {
  const page = await readFile(join(ROOT, 'docs/targets.md'), 'utf8');
  const [, table = ''] = /```sql\n(.*?)```/s.exec(page) ?? [];
  await database.query(table);
  return {
    target: await exampleOfTheDocs(),
    configuration: { kind: 'contacts', list: 'news' },
    unusable: { kind: 'contacts' },
    rows: [
      { email: 'ada@example.org', name: 'Ada' },
      { email: 'bob@example.org', name: 'Bob' },
    ],
    invalid: { email: 'ada@example.org' },
    effects: counter(database, 'contact'),
  };
});
