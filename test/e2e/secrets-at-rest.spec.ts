import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { createApp } from '../../src/app/start.js';
import { examine, NOTES } from '../../src/operations/doctor/examination.js';
import { parseSecretKeys } from '../../src/platform/secret-box.js';
import { grantRole } from '../support/grant-role-definition.js';
import { ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const URL_WITH_TOKEN = 'https://hooks.example.org/services/T000/SECRETTOKEN';
const WORKFLOW = grantRole({
  grant: { behaviors: [{ kind: 'webhook', url: URL_WITH_TOKEN, secret: SECRET }] },
});

describe('secrets of webhooks', () => {
  const key = randomBytes(32).toString('base64');
  let app: TestApp;
  let api: ImportClient;
  let sql: Client;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api', SECRETS_KEY: `first:${key}` });
    api = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    await api.post('/API/Workflows', WORKFLOW);
    await api.call('PUT', `/API/Workflows/${WORKFLOW.name}`, { body: WORKFLOW });
    await sql.query(
      `INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, attributes)
       SELECT 1, workflow_id, 'incomplete', '{}' FROM workflow`,
    );
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  const stored = async () => {
    const { rows } = await sql.query(
      'SELECT definition::text AS text FROM workflow_definition ORDER BY version',
    );
    return rows.map(({ text }) => text as string);
  };
  /** The tables in which a row holds the text. */
  const tablesWith = async (text: string) => {
    const { rows: tables } = await sql.query(
      `SELECT oid::regclass::text AS name FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { rowCount } = await sql.query(`SELECT FROM ${name} t WHERE strpos(t::text, $1) > 0 LIMIT 1`, [
        text,
      ]);
      if (rowCount === 1) found.push(name as string);
    }
    return found;
  };
  const outbox = async () => {
    const { rows } = await sql.query('SELECT recipient, receiver, secret FROM outbox ORDER BY outbox_id');
    return rows as { recipient: string; receiver: string; secret: string }[];
  };
  const instance = `/API/Workflows/${WORKFLOW.name}/Instances/1`;
  const notes = async () => (await examine(sql, NOTES)).map(({ invariant }) => invariant.code);
  const restart = async (secretsKey: string) => {
    const again = await createApp({ ...app.config, secretKeys: parseSecretKeys(secretsKey) ?? [] });
    await again.init();
    await again.close();
  };

  /** Break it: in `WorkflowDefinitionsService.insert`, leave out `sealSecrets`. */
  it('are stored encrypted, and answered as before', async () => {
    for (const text of await stored()) {
      expect(text).toContain('enc:v1:first:');
      expect(text).not.toMatch(/SECRETTOKEN|whsec_/);
    }
    expect(await notes()).not.toContain('secrets_in_clear');
    const { body } = await api.get(`/API/Workflows/${WORKFLOW.name}`);
    const text = JSON.stringify(body);
    expect(text).toContain(URL_WITH_TOKEN);
    expect(text).not.toMatch(/whsec_|enc:v1/);
    // The hidden secret stands for the stored one.
    const { version: _version, ...source } = body;
    expect((await api.call('PUT', `/API/Workflows/${WORKFLOW.name}`, { body: source })).status).toBe(200);
  });

  /** Break it: in `EffectCompiler.effect`, leave out `seal`. */
  it('are in no table, not even while they wait in the outbox', async () => {
    const { status, body } = await api.post(`${instance}/Actions/Grant`, { 'First Name': 'Ada' });
    expect([status, body.behaviors.items[0].recipient]).toEqual([200, URL_WITH_TOKEN]);
    expect(await outbox()).toEqual([
      {
        recipient: expect.stringMatching(/^enc:v1:first:/),
        receiver: 'hooks.example.org',
        secret: expect.stringMatching(/^enc:v1:first:/),
      },
    ]);
    expect(await tablesWith('SECRETTOKEN')).toEqual([]);
    expect(await tablesWith(SECRET)).toEqual([]);
    // The search would find it.
    expect(await tablesWith('hooks.example.org')).toEqual(['outbox']);
  });

  /** Break it: in `openedUrl`, let the error through. */
  it('whose key is gone do not hide the instance', async () => {
    const before = (await outbox())[0]!.recipient;
    await sql.query(`UPDATE outbox SET recipient = 'enc:v1:gone:AAAA'`);
    const { status, body } = await api.get(instance);
    expect([status, body.behaviors.items[0].recipient]).toEqual([200, 'a webhook']);
    await sql.query('UPDATE outbox SET recipient = $1', [before]);
  });

  /** Break it: in `SecretsAtRest.sealAll`, leave out the update, or look at current versions only. */
  it('get the new key at the next start, those of earlier versions and those in clear, too', async () => {
    await sql.query(`UPDATE workflow_definition SET definition = $1 WHERE version = 1`, [
      JSON.stringify(WORKFLOW),
    ]);
    // As an earlier version stored it.
    await sql.query(
      `INSERT INTO outbox (kind, workflow_instance_id, behavior_number, recipient, receiver, status)
       VALUES ('behavior_webhook', 1, 9, $1, 'hooks.example.org', 'sent')`,
      [URL_WITH_TOKEN],
    );
    expect(await notes()).toContain('secrets_in_clear');
    await restart(`second:${randomBytes(32).toString('base64')},first:${key}`);
    const texts = await stored();
    expect(texts).toHaveLength(3);
    for (const text of texts) {
      expect(text).toContain('enc:v1:second:');
      expect(text).not.toMatch(/enc:v1:first|SECRETTOKEN|whsec_/);
    }
    expect(await tablesWith('enc:v1:first')).toEqual([]);
    expect(await tablesWith('SECRETTOKEN')).toEqual([]);
    expect(
      (await outbox()).map(({ recipient, secret }) => [recipient.slice(0, 13), secret?.slice(0, 13)]),
    ).toEqual([
      ['enc:v1:second', 'enc:v1:second'],
      ['enc:v1:second', undefined],
    ]);
    expect(await notes()).not.toContain('secrets_in_clear');
  });

  /** Break it: in `SecretsAtRest`, let the error through. */
  it('whose key is gone do not keep the service from starting', async () => {
    await expect(restart(`third:${randomBytes(32).toString('base64')}`)).resolves.toBeUndefined();
  });
});
