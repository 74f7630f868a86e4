import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { createApp } from '../../src/app/bootstrap.js';
import { examine } from '../../src/operations/doctor/examination.js';
import { NOTES } from '../../src/operations/doctor/notes.js';
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

  /** Break it: in `SecretsAtRest.sealAll`, leave out the update, or look at current versions only. */
  it('get the new key at the next start, those of earlier versions and those in clear, too', async () => {
    await sql.query(`UPDATE workflow_definition SET definition = $1 WHERE version = 1`, [
      JSON.stringify(WORKFLOW),
    ]);
    expect(await notes()).toContain('secrets_in_clear');
    await restart(`second:${randomBytes(32).toString('base64')},first:${key}`);
    const texts = await stored();
    expect(texts).toHaveLength(3);
    for (const text of texts) {
      expect(text).toContain('enc:v1:second:');
      expect(text).not.toMatch(/enc:v1:first|SECRETTOKEN|whsec_/);
    }
  });

  /** Break it: in `SecretsAtRest`, let the error through. */
  it('whose key is gone do not keep the service from starting', async () => {
    await expect(restart(`third:${randomBytes(32).toString('base64')}`)).resolves.toBeUndefined();
  });
});
