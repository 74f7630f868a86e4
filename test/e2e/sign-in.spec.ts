import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { createApp } from '../../src/app/start.js';
import { sessionCookieOf, signIn, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { startTestApp, TEST_ADMIN, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const COOKIE = '__Host-wiq_session';
const EMAIL = 'ann@example.org';
const KEYS = '/API/ApiKeys';

describe('signing in', () => {
  let app: TestApp;
  let client: Client;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    await storeUser(app, 'operator', EMAIL);
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  // Forwarded by a proxy on this machine, which is believed: so each test has an address of its own.
  const from = (address: string) => ({ 'x-forwarded-for': address });
  const enter = (
    password: string,
    headers: Record<string, string> = {},
    fields: Record<string, string> = {},
  ) => submit(app, '/login', { email: EMAIL, password, ...fields }, headers);
  const statusAs = async (
    cookie: string,
    path = '/API/WorkflowImportQueue/Batches',
    init: RequestInit = {},
  ) =>
    (await fetch(app.url + path, { redirect: 'manual', ...init, headers: { cookie, ...init.headers } }))
      .status;
  const audited = async (action: string) =>
    (await client.query('SELECT * FROM audit_log WHERE action = $1 ORDER BY audit_id', [action])).rows;

  describe('with the right password', () => {
    /** Break it: give operators every permission, in `user-role.ts`. */
    it('opens the requested page and the API, as far as the role allows', async () => {
      const response = await enter(TEST_PASSWORD, {}, { next: '/imports/17?show=all' });
      expect([response.status, response.headers.get('location')]).toEqual([303, '/imports/17?show=all']);
      const cookie = sessionCookieOf(response)!;
      expect(await statusAs(cookie, '/imports')).toBe(200);
      expect(await statusAs(cookie)).toBe(200);
      expect(await statusAs(cookie, KEYS)).toBe(403);
    });

    /** Break it: take the address as it is given, in `SignIn.signIn`. */
    it('accepts any spelling of the address', async () => {
      expect((await enter(TEST_PASSWORD, {}, { email: ` ${EMAIL.toUpperCase()} ` })).status).toBe(303);
    });

    /** Break it: leave one of the `attributes` out, in `session-cookie.ts`. */
    it('sets a cookie that scripts cannot read, that other sites cannot send with writes, and that plain http never carries', async () => {
      const [cookie] = (await enter(TEST_PASSWORD)).headers.getSetCookie();
      expect(cookie).toMatch(new RegExp(`^${COOKIE}=[\\w-]{43}; `));
      const attributes = cookie!.split('; ').slice(1);
      for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/', 'Max-Age=604800']) {
        expect(attributes).toContain(attribute);
      }
      expect(cookie).not.toMatch(/domain/i);
    });

    /** Break it: in `hashSessionId`, answer the id. */
    it('stores nothing of the session that could be used to sign in', async () => {
      const id = sessionCookieOf(await enter(TEST_PASSWORD))!.slice(COOKIE.length + 1);
      const { rows } = await client.query<{ session_hash: Buffer }>('SELECT session_hash FROM user_session');
      const hashes = rows.map((row) => row.session_hash.toString('hex'));
      const expected = createHmac('sha256', app.config.sessionSecret!).update(id).digest('hex');
      expect(hashes).toContain(expected);
      expect(hashes).not.toContain(Buffer.from(id).toString('hex'));
      const { rows: dump } = await client.query<{ text: string }>(
        `SELECT coalesce(string_agg(t::text, ' '), '') AS text FROM (
           SELECT to_jsonb(s) AS t FROM user_session s UNION ALL SELECT to_jsonb(a) FROM audit_log a) AS everything`,
      );
      expect(dump[0]!.text).not.toContain(id);
      expect(dump[0]!.text).not.toContain(TEST_PASSWORD);
    });

    /** Break it: in `returnPath`, answer what is given. */
    it.each([
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/\t/evil.example',
      'javascript:alert(1)',
    ])('never leads to another site: %j', async (next) => {
      expect((await enter(TEST_PASSWORD, {}, { next })).headers.get('location')).toBe('/');
      const page = await (await fetch(`${app.url}/login?next=${encodeURIComponent(next)}`)).text();
      expect(page).toContain('name="next" value="/"');
    });

    /** Break it: leave out `writeAudit` of `signed_in`, in `SignIn.signIn`. */
    it('is written down', async () => {
      await enter(TEST_PASSWORD, { ...from('192.0.2.77'), 'x-request-id': 'the-request' });
      expect((await audited('signed_in')).at(-1)).toMatchObject({
        actor: expect.stringMatching(/^user:\d+$/),
        address: '192.0.2.77',
        request_id: 'the-request',
      });
    });
  });

  describe('with anything else', () => {
    /** Break it: in `SignIn`, look for users who are disabled, too. */
    it('is refused with the same words for a wrong password, an unknown address and a disabled user', async () => {
      await storeUser(app, 'viewer', 'gone@example.org');
      await client.query(`UPDATE app_user SET disabled_at = now() WHERE email = 'gone@example.org'`);
      const answers = [
        await enter('wrong', from('192.0.2.10')),
        await enter(TEST_PASSWORD, from('192.0.2.10'), { email: 'nobody@example.org' }),
        await enter(TEST_PASSWORD, from('192.0.2.10'), { email: 'gone@example.org' }),
      ];
      for (const response of answers) {
        expect(response.status).toBe(401);
        expect(sessionCookieOf(response)).toBeNull();
        const html = await response.text();
        expect(html).toContain('The e-mail address or the password is wrong.');
        expect(html).not.toContain(TEST_PASSWORD);
      }
      const failures = (await audited('sign_in_failed')).slice(-3);
      expect(failures.map(({ details }) => details.email)).toEqual([
        EMAIL,
        'nobody@example.org',
        'gone@example.org',
      ]);
      expect(JSON.stringify(failures)).not.toContain('wrong');
    });

    /** Break it: in `LoginPage.signIn`, take the form for a `SignInDto` unseen. */
    it.each([
      [{ email: '', password: 'x' }, 'error-email'],
      [{ email: 'a\u0000b', password: 'x' }, 'error-email'],
      [{ email: EMAIL, password: '' }, 'error-password'],
      [{ email: EMAIL, password: 'x'.repeat(257) }, 'error-password'],
      [{ email: ['a@example.org', 'b@example.org'], password: 'x' }, 'error-email'],
    ])('says at the field what is missing: %j', async (fields, id) => {
      const response = await submit(app, '/login', fields);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain(`id="${id}"`);
    });

    /** Break it: in `auth.errors.ts`, ask for `Basic`. */
    it('does not offer HTTP Basic', async () => {
      const authorization = `Basic ${Buffer.from(`${TEST_ADMIN.email}:${TEST_ADMIN.password}`).toString('base64')}`;
      const response = await fetch(app.url + KEYS, { headers: { authorization } });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('apikey, Bearer');
    });
  });

  describe('refuses others:', () => {
    /** Break it: in `SessionsService.begin`, take the id that was sent. */
    it('a session id planted before is worth nothing after (session fixation)', async () => {
      const planted = `${COOKIE}=${'A'.repeat(43)}`;
      const response = await enter(TEST_PASSWORD, { cookie: planted });
      const cookie = sessionCookieOf(response)!;
      expect(cookie).not.toBe(planted);
      expect(await statusAs(planted)).toBe(401);
      expect(await statusAs(cookie)).toBe(200);
    });

    /** Break it: in `SignIn.signIn`, end no session. */
    it('the session the browser came with ends', async () => {
      const before = await signIn(app, 'operator', EMAIL);
      const after = sessionCookieOf(await enter(TEST_PASSWORD, { cookie: before }))!;
      expect(await statusAs(before)).toBe(401);
      expect(await statusAs(after)).toBe(200);
    });

    /** Break it: in `LoginPage.signIn`, leave out `assertSameSite`. */
    it.each([
      [{ origin: 'https://evil.example' }],
      [{ origin: 'null' }],
      [{ 'sec-fetch-site': 'cross-site' }],
      [{ 'sec-fetch-site': 'same-site' }],
    ])('a page of another site cannot sign its visitor in: %j', async (headers) => {
      const response = await enter(TEST_PASSWORD, headers);
      expect(response.status).toBe(403);
      expect(sessionCookieOf(response)).toBeNull();
    });
  });

  describe('after too many failures', () => {
    /** Break it: in `SignInThrottle.countsOf`, leave out `networks`. */
    it('makes one address wait, whatever account it tries, and with the right password too', async () => {
      for (let i = 0; i < 20; i++) {
        await enter('wrong', from('198.51.100.7'), { email: `guess${i}@example.org` });
      }
      const response = await enter(TEST_PASSWORD, from('198.51.100.7'));
      expect(response.status).toBe(429);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(60);
      expect(await response.text()).toContain('Try again in');
      expect((await enter(TEST_PASSWORD, from('198.51.100.8'))).status).toBe(303);
    });

    /** Break it: in `SignInThrottle.countsOf`, leave out the known browser. */
    it('locks out those who guess, but not the owner of the account', async () => {
      const email = 'bob@example.org';
      await storeUser(app, 'viewer', email);
      const known = (await enter(TEST_PASSWORD, {}, { email })).headers
        .getSetCookie()
        .find((cookie) => cookie.startsWith('__Host-wiq_browser='))!;
      expect(known).toMatch(/; HttpOnly; Secure; SameSite=Lax/);
      // All at once: an attempt counts before its password is checked.
      const attempts = await Promise.all(
        Array.from({ length: 14 }, () => enter('wrong', from('203.0.113.1'), { email })),
      );
      expect(attempts.map(({ status }) => status).sort()).toEqual([
        ...Array<number>(10).fill(401),
        ...Array<number>(4).fill(429),
      ]);
      const refused = await enter(TEST_PASSWORD, from('203.0.113.1'), { email });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60);
      const cookie = known.split(';')[0]!;
      expect((await enter(TEST_PASSWORD, { ...from('203.0.113.1'), cookie }, { email })).status).toBe(303);
      expect((await enter(TEST_PASSWORD, from('203.0.113.200'), { email })).status).toBe(303);
      // Neither for another account, nor with a forged proof, is the browser known.
      const forged = { ...from('203.0.113.1'), cookie: `${cookie.slice(0, -3)}abc` };
      expect((await enter(TEST_PASSWORD, forged, { email })).status).toBe(429);
    });

    /** Break it: in `SharedLimits`, give each process its own prefix. */
    it('counts in all processes together', async () => {
      const second = await createApp({
        ...app.config,
        trustedProxies: ['10.0.0.0/8'],
        migrateOnStart: false,
      });
      await second.listen(0, '127.0.0.1');
      const { port } = second.getHttpServer().address() as AddressInfo;
      const email = 'carol@example.org';
      await storeUser(app, 'viewer', email);
      for (let i = 0; i < 10; i++) await enter('wrong', from('203.0.113.9'), { email });
      const other = { url: `http://127.0.0.1:${port}` };
      // The second process is behind a proxy that it trusts.
      const headers = { 'x-forwarded-for': '203.0.113.9, 10.1.2.3' };
      const answer = await submit(other, '/login', { email, password: TEST_PASSWORD }, headers);
      expect(answer.status).toBe(429);
      await second.close();
    });
  });

  describe('a session', () => {
    /** Break it: in `SignIn.signOut`, end no session. */
    it('ends when its user signs out, in the database too', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      const response = await submit(app, '/logout', {}, { cookie });
      expect([response.status, response.headers.get('location')]).toEqual([303, '/login']);
      expect(response.headers.getSetCookie()[0]).toMatch(new RegExp(`^${COOKIE}=; .*1970`));
      expect(await statusAs(cookie)).toBe(401);
      expect(await audited('signed_out')).not.toEqual([]);
    });

    /** Break it: in `LoginPage.signOut`, leave out `assertSameSite`. */
    it('is not ended by another site', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      expect((await submit(app, '/logout', {}, { cookie, origin: 'https://evil.example' })).status).toBe(403);
      expect(await statusAs(cookie)).toBe(200);
    });

    /** Break it: in `SessionsService`, note each session in Redis as well, and ask there. */
    it('survives a wiped Redis', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      const redis = new Redis(process.env.REDIS_URL!);
      // All keys of this application; FLUSHALL would wipe those of the test files beside this one.
      const keys = await redis.keys(`${app.config.queuePrefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      await redis.quit();
      expect(await statusAs(cookie)).toBe(200);
    });

    const age = (column: 'created_at' | 'last_seen_at', hours: number) =>
      client.query(`UPDATE user_session SET ${column} = now() - make_interval(hours => $1)`, [hours]);

    /** Break it: in `session-life.ts`, leave out `last_seen_at`. */
    it('ends after twelve hours without use, not before, and use keeps it alive', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      await age('last_seen_at', 11);
      expect(await statusAs(cookie)).toBe(200);
      await age('last_seen_at', 13);
      expect(await statusAs(cookie)).toBe(401);
    });

    /** Break it: in `session-life.ts`, leave out `created_at`. */
    it('ends after a week, even if it is used', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      await age('created_at', 7 * 24 - 1);
      expect(await statusAs(cookie)).toBe(200);
      await age('created_at', 7 * 24 + 1);
      expect(await statusAs(cookie)).toBe(401);
    });

    /** Break it: in `SessionsService`, find sessions whose owner is disabled, too. */
    it('ends at once when its owner is disabled', async () => {
      const cookie = await signIn(app, 'viewer', 'leaver@example.org');
      expect(await statusAs(cookie)).toBe(200);
      await client.query(`UPDATE app_user SET disabled_at = now() WHERE email = 'leaver@example.org'`);
      expect(await statusAs(cookie)).toBe(401);
    });

    /** Break it: in `Authenticator.authenticate`, ask for the session first. */
    it('is not read if a call has an API key', async () => {
      const cookie = await signIn(app, 'operator', EMAIL);
      const headers = { authorization: `apikey ${TEST_API_KEY}` };
      expect(await statusAs(cookie, KEYS, { headers })).toBe(200);
      const wrong = { authorization: 'apikey wrong' };
      expect(await statusAs(cookie, KEYS, { headers: wrong })).toBe(401);
      await client.query('ALTER TABLE user_session RENAME TO elsewhere');
      try {
        expect(await statusAs(cookie, KEYS, { headers })).toBe(200);
        expect(await statusAs(cookie, KEYS)).toBe(500);
      } finally {
        await client.query('ALTER TABLE elsewhere RENAME TO user_session');
      }
    });
  });

  describe('a write with a session', () => {
    const remove = (cookie: string, headers: Record<string, string>) =>
      statusAs(cookie, `${KEYS}/999999`, { method: 'DELETE', headers });

    /** Break it: in `Authenticator.authenticate`, leave out `assertSameSite`. */
    it.each([
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: 'http://imports.example.org' }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site' }, 403],
      [{ 'sec-fetch-site': 'cross-site', origin: 'https://imports.example.org' }, 403],
      [{}, 403],
      [{ origin: 'https://imports.example.org' }, 404],
      [{ 'sec-fetch-site': 'same-origin' }, 404],
    ])('must come from a page of ours: %j is answered %d', async (headers, status) => {
      expect(await remove(await signIn(app), headers)).toBe(status);
    });

    /** Break it: in `Authenticator.authenticate`, call `assertSameSite` first. */
    it('needs no origin with an API key, which no browser sends on its own', async () => {
      const response = await fetch(`${app.url}${KEYS}/999999`, {
        method: 'DELETE',
        headers: { authorization: `apikey ${TEST_API_KEY}`, origin: 'https://evil.example' },
      });
      expect(response.status).toBe(404);
    });
  });

  /** Break it: in `parseAuthorization`, call every other scheme unusable. */
  it('passes a proxy that has credentials of its own', async () => {
    const cookie = await signIn(app, 'operator', EMAIL);
    expect(await statusAs(cookie, '/imports', { headers: { authorization: 'Basic cHJveHk6cHJveHk=' } })).toBe(
      200,
    );
  });

  /** Break it: in `signInOf`, leave out the referrer, or `isOurs`. */
  it('leads back to the form that was sent without a session, and says that it was not taken', async () => {
    const locationAfter = async (referer: string) =>
      (await submit(app, '/imports/new/1', {}, { referer })).headers.get('location')!;
    const location = await locationAfter(`${app.url}/imports/new/1?a=b`);
    expect(location).toBe('/login?next=%2Fimports%2Fnew%2F1%3Fa%3Db&unsent=yes');
    expect(await (await fetch(app.url + location)).text()).toContain(
      'Your session ended. Your changes were not saved. Sign in and try again.',
    );
    expect(await locationAfter('https://evil.example/imports/new/1')).toBe('/login?unsent=yes');
  });

  /** Break it: in `signInOf`, redirect htmx like any other. */
  it('leads a request of htmx to the complete sign-in page', async () => {
    const response = await fetch(`${app.url}/imports`, {
      redirect: 'manual',
      headers: { 'hx-request': 'true', 'hx-current-url': `${app.url}/imports/17?show=all` },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('hx-redirect')).toBe('/login?next=%2Fimports%2F17%3Fshow%3Dall');
  });
});

describe('the first administrator', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api', PUBLIC_URL: 'http://127.0.0.1' });
  });
  afterAll(() => app?.close());

  /** Break it: make every cookie `secure`, in `session-cookie.ts`. */
  it('signs in with what the environment says; on plain http the cookie is not Secure', async () => {
    const response = await submit(app, '/login', TEST_ADMIN);
    expect(response.status).toBe(303);
    const [cookie] = response.headers.getSetCookie();
    expect(cookie).toMatch(/^wiq_session=/);
    expect(cookie).not.toMatch(/secure/i);
  });
});
