import { Client } from 'pg';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { storeUser } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const BATCHES = '/API/WorkflowImportQueue/Batches';

describe('keys that read only what they sent', () => {
  let test: TestApp;
  let all: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp();
    all = new ImportClient(test.url);
    importProcessId = await all.setUp();
  });

  afterAll(() => test?.close());

  const makeKey = (permissions: string[], more: object = {}): Promise<Answer> =>
    all.post('/API/ApiKeys', { name: permissions.join(), permissions, ...more });
  const clientWith = async (permissions: string[], more: object = {}): Promise<ImportClient> => {
    const { status, body } = await makeKey(permissions, more);
    if (status !== 201) throw new Error(`no key: ${JSON.stringify(body)}`);
    return new ImportClient(test.url, body.key);
  };
  const statusOf = async (answer: Promise<Answer>) => (await answer).status;

  describe('at POST ApiKeys', () => {
    /** Break it: in `ApiKeysService.create`, store the permissions as they were sent. */
    it('a key that begins imports may read its own, unless it is declined', async () => {
      const { body: added } = await makeKey(['BeginWorkflowImportProcess']);
      expect(added.permissions).toEqual(['BeginWorkflowImportProcess', 'ReadOwnImports']);
      const { body: declined } = await makeKey(['BeginWorkflowImportProcess'], { readOwnImports: false });
      expect(declined.permissions).toEqual(['BeginWorkflowImportProcess']);
      const { body: other } = await makeKey(['ViewImports']);
      expect(other.permissions).toEqual(['ViewImports']);
      const { body: asked } = await makeKey(['ReadOwnImports']);
      expect(asked.permissions).toEqual(['ReadOwnImports']);
    });

    /** Break it: in `ApiKeysService.create`, leave out `unlimitedPermissions`. */
    it.each(['Configure', 'Administer'])('%s cannot be limited to import processes', async (permission) => {
      const { status, body } = await makeKey(['ViewImports', permission], {
        importProcessIds: [importProcessId],
      });
      expect(status).toBe(400);
      expect(body.errors).toEqual([
        expect.objectContaining({
          pointer: '/importProcessIds',
          message: expect.stringContaining(permission),
        }),
      ]);
    });

    /** Break it: in the migration, leave out the constraint. */
    it('and a key in the database cannot either', async () => {
      const client = new Client({ connectionString: test.database.url });
      await client.connect();
      const limit = client.query(
        `UPDATE api_key SET import_process_ids = '{1}' WHERE 'Configure' = ANY (permissions)`,
      );
      await expect(limit).rejects.toThrow('api_key_limit_fits');
      await client.end();
    });

    /** Break it: in `assertHolds`, let Administer pass. */
    it('Administer is given only by those who have it', async () => {
      const configurer = await clientWith(['Configure', 'ViewImports', 'BeginWorkflowImportProcess']);
      const make = (permissions: string[]) =>
        statusOf(configurer.post('/API/ApiKeys', { name: 'x', permissions }));
      expect(await make(['Administer'])).toBe(403);
      expect(await make(['ManageImports'])).toBe(403);
      expect(await make(['BeginWorkflowImportProcess', 'Configure'])).toBe(201);
      expect(await statusOf(makeKey(['Administer']))).toBe(201);
    });
  });

  describe('at batches', () => {
    const reads = (id: number) => [
      `${BATCHES}/${id}`,
      `${BATCHES}/${id}/Records`,
      `${BATCHES}/${id}/Results`,
    ];

    /** Break it: in `mayRead`, answer true for ReadOwnImports. */
    it('the key reads and lists its own, and no others', async () => {
      const sender = await clientWith(['BeginWorkflowImportProcess']);
      const silent = await clientWith(['BeginWorkflowImportProcess'], { readOwnImports: false });
      const own = (await sender.createBatch(jsonl([member(1)]), { importProcessId })).body;
      const ownId = own.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const other = (await silent.createBatch(jsonl([member(2)]), { importProcessId })).body;
      const otherId = other.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      for (const path of reads(ownId)) expect([path, await statusOf(sender.get(path))]).toEqual([path, 200]);
      for (const path of [
        ...reads(otherId),
        `${BATCHES}/${otherId}/Events`,
        `${BATCHES}/${otherId}/Preview`,
      ]) {
        expect([path, await statusOf(sender.get(path))]).toEqual([path, 403]);
        expect([path, await statusOf(silent.get(path))]).toEqual([path, 403]);
      }
      const { body: list } = await sender.get(BATCHES);
      expect(list.items.map((batch: any) => batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([ownId]);
      expect(await statusOf(silent.get(BATCHES))).toBe(403);
      expect(await statusOf(sender.get(`${BATCHES}/${ownId}/Notifications`))).toBe(403);
      expect(await statusOf(sender.post(`${BATCHES}/${ownId}/Cancel`))).toBe(403);
    });

    /** Break it: in `assertMayPrepare`, leave out `owns`. */
    it('it confirms and abandons its own uploads, and no others', async () => {
      const sender = await clientWith(['BeginWorkflowImportProcess'], { readOwnImports: false });
      const other = await clientWith(['BeginWorkflowImportProcess']);
      const file = ':Email,First Name\nann@example.org,Ann\nbob@example.org,\n';
      const [first, second] = [
        await sender.upload(file, { importProcessId }),
        await sender.upload(file, { importProcessId }),
      ];
      // The answer to the own upload says what was found in it, whatever the key may read afterwards.
      expect(first.body.summary).toMatchObject({ valid: 1, invalid: 1 });
      for (const action of ['Confirm', 'Abandon']) {
        expect(await statusOf(other.act(first, action))).toBe(403);
      }
      expect((await sender.act(first, 'Confirm')).body).toMatchObject({ summary: { valid: 1 } });
      expect(await statusOf(sender.act(second, 'Abandon'))).toBe(202);
    });

    /** Break it: in `BatchReader.get`, show the findings to all. */
    it('a key that manages imports without reading them learns nothing of their rows', async () => {
      const manager = await clientWith(['ManageImports']);
      const upload = await all.upload(':Email,First Name\nbad,secret name\n', { importProcessId });
      expect(upload.body.summary.errorGroups).toHaveLength(1);
      const answer = await manager.act(upload, 'Abandon');
      expect(answer.status).toBe(202);
      expect(answer.body.summary).toBeNull();
      expect(answer.body.understood).toBeNull();
    });

    /** Break it: in `UploadsService.take`, leave out `maySetDefaults`. */
    it('a mapping becomes the default only when a manager of imports proposes it', async () => {
      const sender = await clientWith(['BeginWorkflowImportProcess', 'ViewImports']);
      const named = { mapping: JSON.stringify({ Vorname: 'First Name', Nachname: 'Last Name' }) };
      const file = (row: string) => `:Email,Vorname,Nachname\n${row},Ann,Berg\n`;
      const proposed = await sender.upload(file('a@example.org'), { importProcessId }, named);
      expect(await statusOf(all.act(proposed, 'Confirm'))).toBe(202);
      const own = await sender.upload(file('b@example.org'), { importProcessId }, named);
      expect(await statusOf(sender.act(own, 'Confirm'))).toBe(202);
      const targets = async () =>
        (await all.upload(file('c@example.org'), { importProcessId })).body.understood.columns.map(
          (column: any) => column.target,
        );
      expect(await targets()).toEqual([':Email', null, null]);
      const managed = await all.upload(file('d@example.org'), { importProcessId }, named);
      expect(await statusOf(all.act(managed, 'Confirm'))).toBe(202);
      expect(await targets()).toEqual([':Email', 'First Name', 'Last Name']);
    });
  });

  /** Break it: in `MetricsController`, leave out `assertUnlimited`. */
  it('a limited key cannot read metrics, which cover all import processes', async () => {
    const limited = await clientWith(['ViewImports'], { importProcessIds: [importProcessId] });
    expect(await statusOf(limited.get('/metrics'))).toBe(403);
    expect(await statusOf(all.get('/metrics'))).toBe(200);
  });

  /** Break it: in the migration, leave out the constraint of users. */
  it('an administrator cannot be limited', async () => {
    const id = await storeUser(test, 'administrator', 'limited@example.org');
    const client = new Client({ connectionString: test.database.url });
    await client.connect();
    const limit = client.query(`UPDATE app_user SET import_process_ids = '{1}' WHERE user_id = ${id}`);
    await expect(limit).rejects.toThrow('app_user_limit_fits');
    await client.end();
  });
});
