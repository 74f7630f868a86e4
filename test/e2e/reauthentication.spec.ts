import { Client } from 'pg';
import { TestIdentityProvider } from '../support/identity-provider.js';
import { sessionCookieOf, signIn, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const PUBLIC_URL = 'https://imports.example.org';
const NEW_USER = { email: 'new@example.org', role: 'operator', password: 'a long enough one' };
const ASKED = 'Confirm that it is you';

describe('an administrator who signed in some time ago', () => {
  let provider: TestIdentityProvider;
  let app: TestApp;
  let client: Client;
  let cookie: string;

  beforeAll(async () => {
    provider = await TestIdentityProvider.start();
    app = await startTestApp({ ROLE: 'api', PUBLIC_URL, ...provider.environment });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    await provider.serve(PUBLIC_URL);
  });
  afterAll(async () => {
    await client?.end();
    await app?.close();
    await provider?.stop();
  });
  beforeEach(async () => {
    cookie = await signIn(app);
    await client.query(`DELETE FROM app_user WHERE email = 'new@example.org'`);
    await makeOld();
  });

  const makeOld = (minutes = 20) =>
    client.query(`UPDATE user_session SET confirmed_at = now() - $1 * interval '1 minute'`, [minutes]);
  const send = async (
    path: string,
    fields: Record<string, string | string[]>,
    as = cookie,
    address = '192.0.2.1',
  ) => {
    const response = await submit(app, path, fields, { cookie: as, 'x-forwarded-for': address });
    return {
      status: response.status,
      location: response.headers.get('location'),
      html: await response.text(),
    };
  };
  const hiddenFields = (html: string) =>
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [
      name,
      value,
    ]);
  const exists = async (email = NEW_USER.email) =>
    (await client.query('SELECT 1 FROM app_user WHERE email = $1', [email])).rowCount === 1;

  /** Break it: leave out `ConfirmSignIn` at `UsersPagesController`, or its fields. */
  it('is asked for the password before a user is added, and what was entered is kept', async () => {
    const fileTypes = [await storeImportProcess(client, 'One'), await storeImportProcess(client, 'Two')];
    const fields = { ...NEW_USER, limitShown: 'yes', importProcessIds: fileTypes.map(String) };
    const asked = await send('/users', fields);
    expect([asked.status, await exists()]).toEqual([403, false]);
    expect(asked.html).toContain(ASKED);
    expect(asked.html).toContain('<form class="card" method="post" action="/users">');
    expect(hiddenFields(asked.html)).toEqual([
      ['email', NEW_USER.email],
      ['role', 'operator'],
      ['password', NEW_USER.password],
      ['limitShown', 'yes'],
      ['importProcessIds', String(fileTypes[0])],
      ['importProcessIds', String(fileTypes[1])],
    ]);
    const done = await send('/users', { ...fields, confirmPassword: TEST_PASSWORD });
    expect([done.status, done.location, await exists()]).toEqual([303, '/users', true]);
    // Confirmed for the next changes, too.
    const { rows } = await client.query(`SELECT user_id FROM app_user WHERE email = $1`, [NEW_USER.email]);
    const next = await send(`/users/${rows[0].user_id}/disable`, {});
    expect(next.status).toBe(303);
  });

  /** Break it: in `ConfirmSignIn`, go on whatever the password is. */
  it('gets the question again after a wrong password, with the input, and is throttled', async () => {
    // Of an account and a network of its own, because others sign in after this.
    const theirs = await signIn(app, 'administrator', 'guessed@example.org');
    await makeOld();
    const attempt = (confirmPassword: string) =>
      send('/users', { ...NEW_USER, confirmPassword }, theirs, '192.0.2.50');
    const wrong = await attempt('not my password');
    expect([wrong.status, await exists()]).toEqual([400, false]);
    expect(wrong.html).toMatch(/id="error-confirmPassword">this is not your password</);
    expect(hiddenFields(wrong.html)).toContainEqual(['email', NEW_USER.email]);
    expect(wrong.html).not.toContain('not my password');
    for (let i = 0; i < 9; i += 1) await attempt('wrong');
    const { status } = await attempt(TEST_PASSWORD);
    expect([status, await exists()]).toEqual([429, false]);
    const { rows } = await client.query(
      `SELECT count(*)::int AS count FROM audit_log WHERE action = 'confirmation_failed' AND outcome = 'refused'`,
    );
    // Equal ones are counted, not written one by one.
    expect(rows[0].count).toBe(1);
  });

  /** Break it: in `ConfirmSignInPage`, show values unescaped. */
  it('gets back what was entered as text, whatever it is', async () => {
    const { html } = await send('/users', { email: '"><script>alert(1)</script>', '"onx="': '1' });
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('"onx="');
  });

  /** Break it: leave out the interceptor of one controller. */
  it.each([
    ['/api-keys', { name: 'key', permissions: 'ViewImports' }],
    ['/api-keys/1/revoke', {}],
    ['/users/1/role', { role: 'viewer' }],
    ['/users/1/password', { password: 'a long enough one' }],
    ['/users/1/disable', {}],
    ['/users/1/enable', {}],
    ['/users/1/sign-out', {}],
  ])('is asked before %s', async (path, fields) => {
    const { status, html } = await send(path, fields);
    expect([status, html.includes(ASKED)]).toEqual([403, true]);
  });

  /** Break it: in `ConfirmSignIn`, ask for every method, or at every age. */
  it('is not asked to read, and not while the sign-in is recent', async () => {
    for (const path of ['/users', '/api-keys', '/users/1']) {
      expect((await fetch(app.url + path, { headers: { cookie } })).status).toBe(200);
    }
    await makeOld(14);
    expect((await send('/users', NEW_USER)).status).toBe(303);
  });

  /** Break it: in `ApiKeysController`, leave out `assertRecent`; in `isDue`, ask keys, too. */
  it('is refused by the API until the sign-in is confirmed; an API key is not', async () => {
    const create = (headers: Record<string, string>) =>
      fetch(`${app.url}/API/ApiKeys`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: app.url, ...headers },
        body: JSON.stringify({ name: 'by session', permissions: ['ViewImports'] }),
      });
    const refused = await create({ cookie });
    expect([refused.status, await refused.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'confirmation_required' }),
    ]);
    const revoked = await fetch(`${app.url}/API/ApiKeys/1`, {
      method: 'DELETE',
      headers: { cookie, origin: app.url },
    });
    expect(revoked.status).toBe(403);
    expect((await create({ authorization: `apikey ${TEST_API_KEY}` })).status).toBe(201);
    const confirmed = await send('/account/confirm', { confirmPassword: TEST_PASSWORD });
    expect([confirmed.status, confirmed.location]).toEqual([303, '/account/confirm?confirmed']);
    expect((await create({ cookie })).status).toBe(201);
  });

  /** Break it: in `isDue`, leave out the comparison with 0. */
  it('is never asked where CONFIRM_SIGN_IN_MINUTES is 0', async () => {
    const calm = await startTestApp({ ROLE: 'api', CONFIRM_SIGN_IN_MINUTES: '0' });
    const theirs = await signIn(calm);
    const database = new Client({ connectionString: calm.database.url });
    await database.connect();
    await database.query(`UPDATE user_session SET confirmed_at = now() - interval '6 days'`);
    await database.end();
    expect((await submit(calm, '/users', NEW_USER, { cookie: theirs })).status).toBe(303);
    await calm.close();
  });

  describe('with the identity provider', () => {
    const BOSS = {
      subject: 'boss',
      claims: { email: 'boss@example.org', email_verified: true, groups: ['import-admins'] },
    };

    /** Begins at the path, signs in at the provider and answers what the service makes of it. */
    async function visit(path: string, session = ''): Promise<Response> {
      const begun = await fetch(app.url + path, { redirect: 'manual' });
      const pending = sessionCookieOf(begun)!;
      const back = new URL(await provider.followed(begun.headers.get('location')!));
      const headers = { cookie: `${session}; ${pending}` };
      return fetch(app.url + back.pathname + back.search, { redirect: 'manual', headers });
    }
    const sessionOf = (response: Response) =>
      response.headers
        .getSetCookie()
        .find((each) => each.startsWith('__Host-wiq_session='))!
        .split(';')[0]!;

    let boss: string;
    beforeEach(async () => {
      await provider.expect(BOSS);
      boss = sessionOf(await visit('/login/oidc'));
      await makeOld();
    });

    /** Break it: in `IdentityProvider.begin`, leave out prompt and max_age. */
    it('confirms there, in another tab, and continues with what was entered', async () => {
      const asked = await send('/users', NEW_USER, boss);
      expect(asked.html).toContain('href="/login/oidc?confirm" target="_blank"');
      expect(asked.html).not.toContain('confirmPassword');
      expect((await send('/users', NEW_USER, boss)).status).toBe(403);
      const begun = await fetch(`${app.url}/login/oidc?confirm`, { redirect: 'manual' });
      const { searchParams } = new URL(begun.headers.get('location')!);
      expect([searchParams.get('prompt'), searchParams.get('max_age')]).toEqual(['login', '0']);
      const confirmed = await visit('/login/oidc?confirm', boss);
      expect([confirmed.status, confirmed.headers.get('location')]).toEqual([
        303,
        '/account/confirm?confirmed',
      ]);
      expect((await send('/users', NEW_USER, boss)).location).toBe('/users');
      expect(await exists()).toBe(true);
    });

    /** Break it: in `IdentityProvider.complete`, leave out `maxAge`. */
    it('does not confirm by a sign-in at the provider that is old', async () => {
      await provider.expect(BOSS, 'authTime');
      expect((await visit('/login/oidc?confirm', boss)).status).toBe(401);
      expect((await send('/users', NEW_USER, boss)).status).toBe(403);
    });

    /** Break it: in `confirmIdentity`, leave out the subject. */
    it('does not confirm as another person', async () => {
      await provider.expect({ ...BOSS, subject: 'another' });
      expect((await visit('/login/oidc?confirm', boss)).status).toBe(401);
      expect((await send('/users', NEW_USER, boss)).status).toBe(403);
      const { rows } = await client.query(
        `SELECT actor FROM audit_log WHERE action = 'confirmation_failed' ORDER BY audit_id DESC LIMIT 1`,
      );
      const { rows: users } = await client.query(
        `SELECT user_id FROM app_user WHERE email = 'boss@example.org'`,
      );
      expect(rows[0].actor).toBe(`user:${users[0].user_id}`);
    });
  });
});
