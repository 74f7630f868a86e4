import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { createApp } from '../../src/app/start.js';
import { eventually } from '../support/eventually.js';
import { storeApiKey, storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

describe('API keys', () => {
  let app: TestApp;
  let client: Client;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const call = async (
    method: string,
    path: string,
    authorization?: string,
    body?: unknown,
  ): Promise<Answer> => {
    const response = await fetch(app.url + path, {
      method,
      headers: {
        ...(authorization !== undefined && { authorization }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const ALL = `apikey ${TEST_API_KEY}`;
  const make = (body: object, authorization = ALL) => call('POST', '/API/ApiKeys', authorization, body);
  const process = (name: string) => storeImportProcess(client, name);
  const list = (key: string) => call('GET', '/API/ApiKeys', `apikey ${key}`);
  const row = async (id: number) =>
    (await client.query('SELECT * FROM api_key WHERE api_key_id = $1', [id])).rows[0];

  /** Break it: in `hashKey`, answer the key. */
  it('shows a key once, and keeps only its SHA-256', async () => {
    const made = await make({ name: 'Nightly sync', permissions: ['ViewImports', 'Configure'] });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { key, ...shown } = made.body;
    expect(key).toMatch(/^wiq_[\w-]{43}$/);
    expect(shown).toMatchObject({
      name: 'Nightly sync',
      hint: key.slice(0, 8),
      permissions: ['ViewImports', 'Configure'],
      importProcessIds: null,
      expiresAt: null,
      lastUsedAt: null,
      revokedAt: null,
    });
    const { body } = await list(key);
    expect(body.items.find(({ id }: { id: number }) => id === shown.id)).toMatchObject({
      name: 'Nightly sync',
    });
    expect(JSON.stringify(body)).not.toContain(key);
    const { key_hash: hash, ...stored } = await row(shown.id);
    expect(hash).toEqual(createHash('sha256').update(key).digest());
    expect(JSON.stringify(stored)).not.toContain(key);
  });

  /** Break it: in `parseAuthorization`, compare the scheme as it is given. */
  it('accepts both schemes in any case', async () => {
    for (const scheme of ['apikey', 'ApiKey', 'APIKEY', 'Bearer', 'bearer']) {
      expect((await call('GET', '/API/ApiKeys', `${scheme} ${TEST_API_KEY}`)).status).toBe(200);
    }
  });

  /** Break it: in `authenticationRequired`, leave out the challenge. */
  it.each([
    ['no key', undefined, 'authentication_required'],
    ['an unknown key', 'apikey wiq_unknown', 'invalid_api_key'],
    ['another scheme', `Basic ${TEST_API_KEY}`, 'authentication_required'],
    ['a key without its scheme', TEST_API_KEY, 'authentication_required'],
  ])('answers %s with 401 and how to authenticate', async (_, authorization, code) => {
    const { status, headers, body } = await call('GET', '/API/ApiKeys', authorization);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('apikey, Bearer');
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body.code).toBe(code);
  });

  /** Break it: in `ApiKeyAuthentication`, find keys that are revoked, too. */
  it('revokes at once', async () => {
    const { body } = await make({ name: 'Soon gone', permissions: ['Configure'] });
    expect((await list(body.key)).status).toBe(200);
    expect((await call('DELETE', `/API/ApiKeys/${body.id}`, ALL)).status).toBe(204);
    expect((await list(body.key)).status).toBe(401);
    expect((await call('DELETE', `/API/ApiKeys/${body.id}`, ALL)).status).toBe(204);
    const { items } = (await list(TEST_API_KEY)).body;
    expect(items.find(({ id }: { id: number }) => id === body.id).revokedAt).toMatch(/Z$/);
  });

  /** Break it: in `ApiKeysService.revoke`, leave out the check of `Administer`. */
  it('lets only a caller with Administer revoke a key with it, such as the bootstrap key', async () => {
    await storeApiKey(client, 'configurer-who-revokes', ['Configure']);
    const revoke = async (id: number, authorization: string) => {
      const { status, body } = await call('DELETE', `/API/ApiKeys/${id}`, authorization);
      return [status, body?.code];
    };
    const { items } = (await list(TEST_API_KEY)).body;
    const bootstrap = items.find(({ createdBy }: { createdBy: string }) => createdBy === 'BOOTSTRAP_API_KEY');
    const denied = [403, 'permission_denied'];
    expect(await revoke(bootstrap.id, 'apikey configurer-who-revokes')).toEqual(denied);
    expect((await list(TEST_API_KEY)).status).toBe(200);
    const { body: administers } = await make({ name: 'Administers', permissions: ['Administer'] });
    expect(await revoke(administers.id, 'apikey configurer-who-revokes')).toEqual(denied);
    const { body: sends } = await make({ name: 'Sends', permissions: ['BeginWorkflowImportProcess'] });
    expect(await revoke(sends.id, 'apikey configurer-who-revokes')).toEqual([204, undefined]);
    expect(await revoke(administers.id, ALL)).toEqual([204, undefined]);
  });

  /** Break it: in `ApiKeysService.revoke`, ask for no key that is not there. */
  it.each(['999999', '0', '-1', 'abc', '99999999999999999999'])('has no key %s to revoke', async (id) => {
    const { status, body } = await call('DELETE', `/API/ApiKeys/${id}`, ALL);
    expect(status).toBe(404);
    expect(body.code).toBe('api_key_not_found');
  });

  /** Break it: in `ApiKeyAuthentication`, find keys that have expired, too. */
  it('refuses a key from its expiry on', async () => {
    const expiresAt = new Date(Date.now() + 3600_000).toISOString();
    const { body } = await make({ name: 'For an hour', permissions: ['Configure'], expiresAt });
    expect(body.expiresAt).toBe(expiresAt);
    expect((await list(body.key)).status).toBe(200);
    await client.query('UPDATE api_key SET expires_at = now() WHERE api_key_id = $1', [body.id]);
    expect((await list(body.key)).status).toBe(401);
  });

  /** Break it: in `ApiKeyAuthentication`, never call `noteUsage`, or leave the minute out of both statements. */
  it('notes when a key was last used, at most once a minute', async () => {
    const { body } = await make({ name: 'Used', permissions: ['Configure'] });
    const lastUsedAt = async () => (await row(body.id)).last_used_at as Date | null;
    await list(body.key);
    const first = await eventually(lastUsedAt, 'lastUsedAt');
    await list(body.key);
    await client.query(
      `UPDATE api_key SET last_used_at = now() - interval '61 seconds' WHERE api_key_id = $1`,
      [body.id],
    );
    await list(body.key);
    await eventually(async () => (await lastUsedAt())! > first, 'a later lastUsedAt');
    const second = await lastUsedAt();
    for (let i = 0; i < 20; i++) await list(body.key);
    expect(await lastUsedAt()).toEqual(second);
  });

  /** Break it: in `PrincipalGuard`, leave out `assertFulfils`. */
  it('answers 403 to a key without the permission, naming it', async () => {
    await storeApiKey(client, 'viewer-key-of-this-file', ['ViewImports']);
    const { status, body } = await list('viewer-key-of-this-file');
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'permission_denied', detail: expect.stringContaining('Configure') });
  });

  /** Break it: in `ApiKeysService.create`, leave out `assertHolds`. */
  it('gives no key more than its creator has', async () => {
    await storeApiKey(client, 'configurer-who-reads', ['Configure', 'ViewImports']);
    const attempt = async (permissions: string[], more: object = {}) =>
      (await make({ name: 'x', permissions, ...more }, 'apikey configurer-who-reads')).status;
    expect(await attempt(['ManageImports'])).toBe(403);
    expect(await attempt(['ManageImports'], { importProcessIds: [await process('First')] })).toBe(403);
    expect(await attempt(['BeginWorkflowImportProcess'])).toBe(403);
    expect(await attempt(['ViewImports', 'Configure', 'ReadOwnImports'])).toBe(201);
  });

  /** Break it: in `ApiKeysService.create`, leave out `unknownProcesses`. */
  it('limits no key to an unknown import process, and names each', async () => {
    const known = await process('Known');
    const { status, body } = await make({
      name: 'x',
      permissions: ['ViewImports'],
      importProcessIds: [999_998, known, 999_999],
      expiresAt: '2020-01-01T00:00:00Z',
    });
    expect([status, body.code]).toEqual([400, 'invalid_body']);
    expect(body.errors).toEqual([
      expect.objectContaining({ pointer: '/importProcessIds/0', code: 'import_process_not_found' }),
      expect.objectContaining({ pointer: '/importProcessIds/2', code: 'import_process_not_found' }),
      expect.objectContaining({ pointer: '/expiresAt' }),
    ]);
  });

  /** Break it: in `ImportProcessesService.delete`, take its id out of keys, so that none is left (null: all). */
  it('keeps a key limited to an import process that was deleted', async () => {
    const gone = await process('Soon gone');
    const asked = { name: 'x', permissions: ['ViewImports'], importProcessIds: [gone] };
    const { body } = await make(asked);
    expect((await call('DELETE', `/API/WorkflowImportQueue/ImportProcesses/${gone}`, ALL)).status).toBe(204);
    expect((await row(body.id)).import_process_ids).toEqual([gone]);
    expect((await make(asked)).body.errors).toMatchObject([{ pointer: '/importProcessIds/0' }]);
  });

  /** Break it: in `CreateApiKeyDto`, leave out one decorator. */
  it('names every mistake in a requested key', async () => {
    const { status, body } = await make({
      name: '',
      permissions: ['Everything'],
      importProcessIds: [],
      expiresAt: '2020-01-01',
      expire: 1,
    });
    expect(status).toBe(400);
    expect(body.code).toBe('invalid_body');
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/expire',
      '/expiresAt',
      '/importProcessIds',
      '/name',
      '/permissions',
    ]);
  });

  /** Break it: in `CreateApiKeyDto`, leave out `Matches` of `expiresAt`; in `ApiKeysService.create`, its comparison with now. */
  it.each([
    ['an expiry in the past', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['an expiry without offset', { expiresAt: '2099-01-01T00:00:00' }],
    ['an expiry that is no time', { expiresAt: 'T99Z' }],
    ['a permission twice', { permissions: ['Configure', 'Configure'] }],
    ['permissions that are a text', { permissions: 'Configure' }],
    ['import processes with a fraction', { importProcessIds: [1.5] }],
    ['import processes beyond what a number holds', { importProcessIds: [2 ** 60] }],
    ['half a character in the name', { name: 'a\ud800' }],
    ['a name that is a number', { name: 5 }],
    ['more import processes than fit', { importProcessIds: Array.from({ length: 60_000 }, (_, n) => n + 1) }],
    ['nothing', { name: undefined, permissions: undefined }],
  ])('refuses %s', async (_, change) => {
    const { status, body } = await make({ name: 'x', permissions: ['ViewImports'], ...change });
    expect(status).toBe(400);
    expect(body.code).toBe('invalid_body');
  });

  describe('of the bootstrap', () => {
    const restartWith = async (key: string | undefined) => {
      const again = await createApp({ ...app.config, bootstrapApiKey: key, migrateOnStart: false });
      await again.init();
      await again.close();
    };

    afterEach(() => restartWith(TEST_API_KEY));

    /** Break it: in `BootstrapKey`, give the key one permission. */
    it('has every permission and is listed', async () => {
      const { body } = await list(TEST_API_KEY);
      expect(
        body.items.filter(({ createdBy }: { createdBy: string }) => createdBy === 'BOOTSTRAP_API_KEY'),
      ).toEqual([
        expect.objectContaining({ permissions: expect.arrayContaining(['Configure', 'ManageImports']) }),
      ]);
    });

    /** Break it: in `ENSURE` of `BootstrapKey`, leave `revoked_at` alone. */
    it('is revoked when the variable changes, and restored when it changes back', async () => {
      await restartWith('another-bootstrap-key');
      expect((await list(TEST_API_KEY)).status).toBe(401);
      expect((await list('another-bootstrap-key')).status).toBe(200);
      await restartWith(TEST_API_KEY);
      expect((await list(TEST_API_KEY)).status).toBe(200);
      expect((await list('another-bootstrap-key')).status).toBe(401);
    });

    /** Break it: in `RETIRE` of `BootstrapKey`, compare hashes with `<>`. */
    it('is revoked when the variable is removed', async () => {
      await restartWith(undefined);
      expect((await list(TEST_API_KEY)).status).toBe(401);
    });

    /** Break it: in `BootstrapKey`, take no lock. */
    it('is exactly one, even if many processes start at once with different ones', async () => {
      const keys = ['of-the-old-deployment', 'of-the-new-deployment'];
      for (let round = 0; round < 3; round += 1) {
        await Promise.all([...keys, ...keys].map(restartWith));
        const statuses = await Promise.all(keys.map(async (key) => (await list(key)).status));
        expect(statuses.sort()).toEqual([200, 401]);
      }
    });
  });
});
