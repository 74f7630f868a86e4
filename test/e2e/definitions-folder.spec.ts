import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { createApp } from '../../src/app/start.js';
import { DefinitionsError } from '../../src/definitions/definitions-folder.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

const PROCESS = {
  name: 'Members from git',
  icon: 'users',
  target: {
    kind: 'workflow',
    workflow: 'grant-role',
    step: 'Import',
    onNoMatch: 'create',
    onMatch: 'update',
  },
};
const HOOKED = {
  ...MEMBER_WORKFLOW,
  steps: MEMBER_WORKFLOW.steps.map((step) => ({
    ...step,
    actions: step.actions.map((action) => ({
      ...action,
      behaviors: [{ kind: 'webhook', url: 'https://example.org/', secret: `whsec_${'A'.repeat(32)}` }],
    })),
  })),
};

describe('the files of DEFINITIONS_DIR', () => {
  let folder: string;
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wiq-definitions-'));
    await emptyTables(app.app.get(DatabaseService), 'workflow, import_process');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const sql = async (text: string) => (await app.app.get(DatabaseService).query<{ told: string }>(text)).rows;
  const write = async (file: string, content: unknown) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), typeof content === 'string' ? content : stringify(content));
  };
  /** Another process of the installation, which starts with these files. */
  const start = async () => {
    const other = await createApp({ ...app.config, role: 'api', definitionsDir: folder });
    await other.init().finally(() => other.close());
  };
  const refusal = async () => {
    const error: unknown = await start().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DefinitionsError);
    return (error as Error).message;
  };
  const versions = async () =>
    (
      await sql(
        `SELECT w.name || ' ' || version || ' ' || created_by AS told FROM workflow w JOIN workflow_definition USING (workflow_id)
          UNION ALL
         SELECT p.name || ' ' || version || ' ' || created_by FROM import_process p
           JOIN import_process_version USING (import_process_id) ORDER BY 1`,
      )
    ).map(({ told }) => told);

  it('exist when the process answers: a YAML or JSON file per workflow and import process', async () => {
    await write('imports/members.yaml', PROCESS);
    await write('workflows/grant-role.json', JSON.stringify(MEMBER_WORKFLOW, null, '\t'));
    await write('workflows/members.jsonl', '{"no":"definition"}\n{}\n');
    await write('.hidden/x.yaml', 'nothing: that counts');
    await start();
    expect(await versions()).toEqual(['Members from git 1 DEFINITIONS_DIR', 'grant-role 1 DEFINITIONS_DIR']);
  });

  it('make no new version when nothing changed, whatever the order of members, secrets and links', async () => {
    await write('a.yaml', HOOKED);
    await write('b.yml', PROCESS);
    await start();
    await write('.data/a.yaml', Object.fromEntries(Object.entries(HOOKED).reverse()));
    await rm(join(folder, 'a.yaml'));
    await symlink('.data/a.yaml', join(folder, 'a.yaml'));
    await start();
    const hidden = stringify(HOOKED).replace(/whsec_A+/, '"********"');
    await write('.data/a.yaml', hidden);
    await start();
    expect(await versions()).toHaveLength(2);
  });

  it('make one new version of what changed, however many processes start at once', async () => {
    await write('a.yaml', MEMBER_WORKFLOW);
    await write('b.yaml', PROCESS);
    await Promise.all([start(), start(), start(), start()]);
    expect(await versions()).toHaveLength(2);
    await write('a.yaml', { ...MEMBER_WORKFLOW, title: 'Changed' });
    await write('b.yaml', { ...PROCESS, description: 'Changed', ordered: true });
    await Promise.all([start(), start(), start(), start()]);
    expect(await versions()).toEqual([
      'Members from git 1 DEFINITIONS_DIR',
      'Members from git 2 DEFINITIONS_DIR',
      'grant-role 1 DEFINITIONS_DIR',
      'grant-role 2 DEFINITIONS_DIR',
    ]);
  });

  it('stop the start when they are wrong, naming each file, place and mistake, and store nothing', async () => {
    await write('a.yaml', { ...MEMBER_WORKFLOW, title: '', attributs: [] });
    await write('b.yaml', { ...PROCESS, icon: 'Not An Icon', tagret: 1 });
    await write('c.yaml', 'a: 1\na: 2\n');
    await write('d.json', '{"steps": [}');
    await write('e.yaml', 'just a text');
    await write('sub/f.yaml', MEMBER_WORKFLOW);
    const message = await refusal();
    for (const line of [
      `The definitions in ${folder} (DEFINITIONS_DIR) are not valid:`,
      '- a.yaml /title must be one line of text',
      '- a.yaml /attributs is not a known member; did you mean "attributes"?',
      '- b.yaml /tagret tagret is not known here: did you mean target?',
      '- b.yaml /icon icon must be the name of an icon',
      '- c.yaml cannot be read: Map keys must be unique',
      '- d.json cannot be read: Unexpected token',
      '- e.yaml is neither a workflow, which has "steps", nor an import process, which has "target"',
      '- sub/f.yaml /name must be another name: a.yaml already defines "grant-role"',
    ]) {
      expect(message).toContain(line);
    }
    expect(await versions()).toEqual([]);
  });

  it('stop the start when an import process does not fit its workflow', async () => {
    await write('a.yaml', MEMBER_WORKFLOW);
    await write('b.yaml', { ...PROCESS, target: { ...PROCESS.target, step: 'Imprt' } });
    expect(await refusal()).toContain(
      '- b.yaml /target/step step must name a data import step of "grant-role"',
    );
  });

  it('stop the start when the folder is not there', async () => {
    folder = await mkdtemp(join(tmpdir(), 'wiq-definitions-'));
    const gone = join(folder, 'gone');
    const other = await createApp({ ...app.config, role: 'api', definitionsDir: gone });
    await expect(other.init()).rejects.toThrow(/gone cannot be read: ENOENT/);
    await other.close();
  });
});
