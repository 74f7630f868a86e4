import { Client } from 'pg';
import { createApp } from '../../src/app/start.js';
import { ImportClient, MEMBER_WORKFLOW } from '../support/import-client.js';
import { sessionCookieOf, signIn, submit } from '../support/sign-in.js';
import { insertBatch } from '../support/stored-batch.js';
import { startTestApp, TEST_ADMIN, type TestApp } from '../support/test-app.js';

describe('the audit log', () => {
  let app: TestApp;
  let client: Client;
  let api: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    api = new ImportClient(app.url);
    importProcessId = await api.setUp();
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const of = async (subject: string) => {
    const { rows } = await client.query(
      'SELECT actor, action, details FROM audit_log WHERE subject = $1 ORDER BY audit_id',
      [subject],
    );
    return rows;
  };

  /** Break it: in `WorkflowDefinitionsService`, leave out the note of a change. */
  it('records who saved a workflow and an import process, and in which version', async () => {
    await api.call('PUT', `/API/Workflows/${MEMBER_WORKFLOW.name}`, { body: MEMBER_WORKFLOW });
    expect(await of(`workflow:${MEMBER_WORKFLOW.name}`)).toEqual([
      { actor: 'api-key:1', action: 'workflow_created', details: { version: 1 } },
      { actor: 'api-key:1', action: 'workflow_changed', details: { version: 2 } },
    ]);
    const path = `/API/WorkflowImportQueue/ImportProcesses/${importProcessId}`;
    const { id: _id, createdAt: _made, updatedAt: _changed, ...process } = (await api.get(path)).body;
    expect((await api.call('PUT', path, { body: process })).status).toBe(200);
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await of(`import-process:${importProcessId}`)).map(({ action }) => action)).toEqual([
      'import_process_created',
      'import_process_changed',
      'import_process_deleted',
    ]);
  });

  /** Break it: in `BatchActionsService`, answer as soon as a batch is abandoned. */
  it('records who abandoned an upload', async () => {
    const { body } = await api.upload(':Email,First Name\na@example.org,Ada\n', {
      importProcessId: await api.setUp(),
    });
    const id = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await api.post(`/API/WorkflowImportQueue/Batches/${id}/Abandon`);
    expect(await of(`batch:${id}`)).toEqual([
      {
        actor: 'api-key:1',
        action: 'batch_status_changed',
        details: { action: 'abandon', from: 'awaiting_confirmation', to: 'canceled' },
      },
    ]);
  });

  /** Break it: in `BatchActionsService`, call the action something else. */
  it('records who paused a batch, and no refused request', async () => {
    const process = await api.setUp();
    const id = await insertBatch(client, process, { status: 'in_progress', records: [] });
    const cookie = await signIn(app, 'operator');
    await submit(app, `/imports/${id}/resume`, {}, { cookie });
    await submit(app, `/imports/${id}/pause`, {}, { cookie });
    const { rows } = await client.query(`SELECT user_id FROM app_user WHERE email = 'operator@example.org'`);
    expect(await of(`batch:${id}`)).toEqual([
      {
        actor: `user:${rows[0].user_id}`,
        action: 'batch_status_changed',
        details: { action: 'pause', from: 'in_progress', to: 'paused' },
      },
    ]);
  });
});

describe('the administrator of the environment', () => {
  /** Break it: in `FirstAdministrator.ensure`, leave out the comparison with the password applied last. */
  it('keeps the password it has chosen since, and a changed role, over restarts with the same value', async () => {
    const app = await startTestApp({ ROLE: 'api' });
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    const restart = async (bootstrapAdminPassword: string) => {
      const second = await createApp({ ...app.config, bootstrapAdminPassword });
      await second.init();
      await second.close();
    };
    const canSignIn = async (password: string) =>
      (await submit(app, '/login', { ...TEST_ADMIN, password })).status === 303;
    try {
      const cookie = sessionCookieOf(await submit(app, '/login', TEST_ADMIN))!;
      const own = 'a password of my own';
      const fields = { currentPassword: TEST_ADMIN.password, newPassword: own, repeatedPassword: own };
      expect((await submit(app, '/account/password', fields, { cookie })).status).toBe(303);
      await client.query(`UPDATE app_user SET role = 'operator'`);
      await restart(TEST_ADMIN.password);
      expect([await canSignIn(own), await canSignIn(TEST_ADMIN.password)]).toEqual([true, false]);
      expect((await client.query('SELECT role FROM app_user')).rows).toEqual([{ role: 'operator' }]);
      await restart('quite another password');
      expect([await canSignIn(own), await canSignIn('quite another password')]).toEqual([false, true]);
      expect((await client.query('SELECT role FROM app_user')).rows).toEqual([{ role: 'administrator' }]);
    } finally {
      await client.end();
      await app.close();
    }
  });

  /** Break it: in `FirstAdministrator.ensure`, leave out `endSessions`. */
  it('has its password, role and access again after a restart, and the sessions of the old password end', async () => {
    const app = await startTestApp({ ROLE: 'api' });
    const client = new Client({ connectionString: app.database.url });
    await client.connect();
    try {
      const response = await submit(app, '/login', TEST_ADMIN);
      const cookie = response.headers.getSetCookie()[0]!.split(';')[0]!;
      await client.query(`UPDATE app_user SET role = 'viewer', disabled_at = now()`);
      const second = await createApp({ ...app.config, bootstrapAdminPassword: 'another password' });
      await second.init();
      await second.close();
      expect((await submit(app, '/login', TEST_ADMIN)).status).toBe(401);
      expect((await submit(app, '/login', { ...TEST_ADMIN, password: 'another password' })).status).toBe(303);
      const { status } = await fetch(`${app.url}/imports`, { headers: { cookie }, redirect: 'manual' });
      expect(status).toBe(303);
      const { rows } = await client.query('SELECT role, disabled_at FROM app_user');
      expect(rows).toEqual([{ role: 'administrator', disabled_at: null }]);
    } finally {
      await client.end();
      await app.close();
    }
  });
});
