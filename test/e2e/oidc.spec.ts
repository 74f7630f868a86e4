import { Client } from 'pg';
import { hashSessionId } from '../../src/auth/sessions.service.js';
import { TestIdentityProvider } from '../support/identity-provider.js';
import { signIn, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PUBLIC_URL = 'https://imports.example.org/base';
const COOKIE = '__Secure-wiq_session';
const PENDING = '__Secure-wiq_pending';

const STAFF = { email: 'staff@example.org', email_verified: true, groups: ['import-staff', 'elsewhere'] };

describe('signing in with an identity provider', () => {
  let provider: TestIdentityProvider;
  let app: TestApp;
  let client: Client;

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

  const get = (path: string, cookie = '', address = '192.0.2.1') =>
    fetch(app.url + path, { redirect: 'manual', headers: { cookie, 'x-forwarded-for': address } });
  const cookieOf = (response: Response, name: string) => {
    const set = response.headers.getSetCookie().find((each) => each.startsWith(`${name}=`));
    return set?.split(';')[0] ?? null;
  };

  /** Begins here, signs in at the provider, and answers where the provider leads back to. */
  async function begin(next = '/imports?status=failed', service = app) {
    const path = `/login/oidc?next=${encodeURIComponent(next)}`;
    const response = await fetch(service.url + path, { redirect: 'manual' });
    expect(response.status).toBe(303);
    const url = response.headers.get('location')!;
    const back = await provider.followed(url);
    return { url: new URL(url), pending: cookieOf(response, PENDING)!, back: new URL(back) };
  }

  /** The proxy in front removes the path of PUBLIC_URL. */
  const callback = ({ back, pending }: { back: URL; pending: string }, address?: string) =>
    get(back.pathname.replace('/base', '') + back.search, pending, address);

  async function enter(subject: string, claims: Record<string, unknown>): Promise<Response> {
    await provider.expect({ subject, claims });
    return callback(await begin());
  }
  const userOf = async (email: string) => {
    const { rows } = await client.query(
      `SELECT user_id::int AS id, role, import_process_ids AS limit, password_hash AS hash, oidc_subject AS subject, created_by
       FROM app_user WHERE email = $1`,
      [email],
    );
    return rows[0];
  };
  const sentence = async (response: Response) =>
    /role="alert">([^<]*)</.exec(await response.text())?.[1] ?? null;
  const lastAudit = async (action: string) => {
    const { rows } = await client.query(
      'SELECT actor, subject, details FROM audit_log WHERE action = $1 ORDER BY audit_id DESC LIMIT 1',
      [action],
    );
    return rows[0];
  };

  /** Break it: in `IdentityProvider.begin`, leave out PKCE, or take the host of the request. */
  it('asks for a code with PKCE, state and nonce, and for an answer to PUBLIC_URL with its path', async () => {
    const { url, back } = await begin();
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'imports',
      response_type: 'code',
      redirect_uri: `${PUBLIC_URL}/login/oidc/callback`,
      scope: 'openid profile email',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    expect(back.href).toMatch(/^https:\/\/imports\.example\.org\/base\/login\/oidc\/callback\?code=/);
  });

  /** Break it: in `OidcSignIn.create`, leave out the role. */
  it('creates the user at the first sign-in, with the role of the groups, and opens the requested page', async () => {
    await provider.expect({ subject: 'staff-1', claims: STAFF });
    const answer = await begin();
    const response = await callback(answer);
    expect([response.status, response.headers.get('location')]).toEqual([303, '/base/imports?status=failed']);
    const session = cookieOf(response, COOKIE)!;
    expect(response.headers.getSetCookie().join()).toMatch(
      /__Secure-wiq_session=[\w-]{43}; .*Path=\/base; .*SameSite=Lax/,
    );
    expect((await get('/imports', session)).status).toBe(200);
    expect((await get('/users', session)).status).toBe(403);
    expect(await userOf(STAFF.email)).toMatchObject({ role: 'operator', hash: null, created_by: 'OIDC' });
    expect(await lastAudit('signed_in')).toMatchObject({ details: { method: 'oidc', role: 'operator' } });
    // Neither the code nor what the browser kept can be used twice.
    expect((await callback(answer)).status).toBe(401);
  });

  /** Break it: in `roleOf`, answer the first role that a group gives. */
  it('gives the role that may do most', async () => {
    const groups = ['import-guests', 'import-admins', 'import-staff'];
    await enter('boss', { ...STAFF, email: 'boss@example.org', groups });
    expect(await userOf('boss@example.org')).toMatchObject({ role: 'administrator' });
  });

  /** Break it: in `OidcSignIn.known`, leave out `recordProviderSignIn` or `endSessions`. */
  it('follows the groups at each sign-in, and ends the sessions of the former role', async () => {
    const person = { ...STAFF, email: 'mover@example.org' };
    const first = cookieOf(await enter('mover', { ...person, groups: ['import-admins'] }), COOKIE)!;
    expect((await get('/users', first)).status).toBe(200);
    const second = cookieOf(await enter('mover', { ...person, groups: ['import-guests'] }), COOKIE)!;
    expect(await userOf('mover@example.org')).toMatchObject({ role: 'viewer' });
    expect((await get('/imports', first)).status).toBe(303);
    expect((await get('/users', second)).status).toBe(403);
    expect(await lastAudit('user_role_changed')).toMatchObject({
      actor: 'OIDC',
      details: { from: 'administrator', to: 'viewer', sessionsEnded: 1 },
    });
  });

  /** Break it: in `OidcSignIn.enter`, take a viewer for someone without a role, or leave out `endAccess`. */
  it('refuses a user whose groups give no role, and ends the sessions that the user still has', async () => {
    const person = { ...STAFF, email: 'leaver@example.org' };
    const session = cookieOf(await enter('leaver', person), COOKIE)!;
    expect((await get('/imports', session)).status).toBe(200);
    const response = await enter('leaver', { ...person, groups: ['elsewhere'] });
    expect([response.status, cookieOf(response, COOKIE)]).toEqual([403, null]);
    expect(await sentence(response)).toMatch(/^None of your groups at Test ID may use this service\./);
    expect((await get('/imports', session)).status).toBe(303);
    expect(await lastAudit('sign_in_failed')).toMatchObject({
      details: { method: 'oidc', reason: 'oidc_no_role', email: 'leaver@example.org' },
    });
    const stranger = await enter('stranger', { ...STAFF, email: 'stranger@example.org', groups: [] });
    expect([stranger.status, await userOf('stranger@example.org')]).toEqual([403, undefined]);
  });

  /** Break it: in `OidcSignIn.userOf`, link whoever has the address. */
  it('links a user who exists already only if the provider verified the address', async () => {
    const email = 'local@example.org';
    const session = await signIn(app, 'viewer', email);
    const refused = await enter('linked', { ...STAFF, email, email_verified: false });
    expect([refused.status, await sentence(refused)]).toEqual([
      403,
      expect.stringContaining('does not state that the address was verified'),
    ]);
    expect(await userOf(email)).toMatchObject({ role: 'viewer', subject: null });
    const { id } = await userOf(email);
    const linked = await enter('linked', { ...STAFF, email: 'Local@Example.org' });
    expect(linked.status).toBe(303);
    expect(await userOf(email)).toMatchObject({ id, role: 'operator', subject: 'linked', hash: null });
    expect((await get('/imports', session)).status).toBe(303);
    expect((await submit(app, '/login', { email, password: TEST_PASSWORD })).status).toBe(401);
    const other = await enter('another-person', { ...STAFF, email });
    expect(other.status).toBe(403);
  });

  /** Break it: in `OidcSignIn.userOf`, leave out `followAddress`; in it, leave out a condition. */
  it('follows a verified new address of the same person, unless another user has it', async () => {
    await enter('renamed', { ...STAFF, email: 'maiden@example.org' });
    const { id } = await userOf('maiden@example.org');
    await enter('renamed', { ...STAFF, email: 'claimed@example.org', email_verified: false });
    expect(await userOf('claimed@example.org')).toBeUndefined();
    await enter('renamed', { ...STAFF, email: 'Married@example.org' });
    expect(await userOf('married@example.org')).toMatchObject({ id, subject: 'renamed' });
    expect(await lastAudit('user_email_changed')).toMatchObject({
      actor: 'OIDC',
      details: { from: 'maiden@example.org', to: 'married@example.org' },
    });
    await storeUser(app, 'viewer', 'other@example.org');
    expect((await enter('renamed', { ...STAFF, email: 'other@example.org' })).status).toBe(303);
    expect(await userOf('married@example.org')).toMatchObject({ id });
  });

  /** Break it: in `IdentityProvider.discover`, set `oidc.clockTolerance` to 0 in the metadata of the client. */
  it.each(['slowClock', 'fastClock'] as const)(
    'allows for clocks that differ a little: %s',
    async (clock) => {
      await provider.expect({ subject: 'staff-1', claims: STAFF }, clock);
      expect((await callback(await begin())).status).toBe(303);
    },
  );

  /** Break it: in `IdentityProvider.discover`, keep the keys that were found first. */
  it('reads the keys of the provider again when it has a new one', async () => {
    await enter('staff-1', STAFF);
    await provider.serve(PUBLIC_URL, { rotatesKey: true });
    await provider.expect({ subject: 'staff-1', claims: STAFF });
    const answer = await begin();
    const now = Date.now;
    // Within a minute an unknown key is taken for forged, so that forged tokens cause no calls.
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + 61_000);
    try {
      expect((await callback(answer)).status).toBe(303);
    } finally {
      clock.mockRestore();
    }
  });

  /** Break it: in `OidcSignIn.known`, leave out the check. */
  it('refuses a user who is disabled, and a provider that names no address', async () => {
    await enter('off', { ...STAFF, email: 'off@example.org' });
    await client.query(`UPDATE app_user SET disabled_at = now() WHERE email = 'off@example.org'`);
    const disabled = await enter('off', { ...STAFF, email: 'off@example.org' });
    expect([disabled.status, await sentence(disabled)]).toEqual([
      403,
      expect.stringContaining('is disabled'),
    ]);
    const nameless = await enter('nameless', { groups: ['import-staff'] });
    expect([nameless.status, await sentence(nameless)]).toEqual([
      403,
      expect.stringContaining('e-mail address'),
    ]);
  });

  /** Break it: in `SESSION_IS_ALIVE`, leave out the case. */
  it('ends the session after twelve hours, also if it is in use', async () => {
    const session = cookieOf(await enter('staff-1', STAFF), COOKIE)!;
    const age = (hours: number) =>
      client.query(
        `UPDATE user_session SET created_at = now() - $1 * interval '1 hour' WHERE method = 'oidc'`,
        [hours],
      );
    await age(11);
    expect((await get('/imports', session)).status).toBe(200);
    await age(13);
    expect((await get('/imports', session)).status).toBe(303);
  });

  describe('does not accept', () => {
    const refused = async (response: Response) => {
      expect([response.status, cookieOf(response, COOKIE)]).toEqual([401, null]);
      expect(await sentence(response)).toBe(
        'The sign-in with Test ID failed or took too long. Sign in again.',
      );
    };
    beforeEach(() => provider.expect({ subject: 'staff-1', claims: STAFF }));

    /** Break it: in `IdentityProvider.complete`, leave out `expectedState`. */
    it('another state', async () => {
      const answer = await begin();
      answer.back.searchParams.set('state', 'x'.repeat(43));
      await refused(await callback(answer, '192.0.2.11'));
    });

    /** Break it: in `IdentityProvider.complete`, leave out `expectedState` when there is no cookie. */
    it('an answer that this browser did not ask for', async () => {
      const answer = await begin();
      await refused(await callback({ ...answer, pending: '' }, '192.0.2.11'));
      const { pending } = await begin();
      await refused(await callback({ ...answer, pending }, '192.0.2.11'));
    });

    /** Break it: in `IdentityProvider.complete`, leave out `expectedNonce`; in `discover`, the signature. */
    it.each(['nonce', 'expired', 'notYet', 'audience', 'issuer', 'signature'] as const)(
      'an ID token that is forged: %s',
      async (forgery) => {
        await provider.expect({ subject: 'staff-1', claims: STAFF }, forgery);
        await refused(await callback(await begin(), '192.0.2.12'));
      },
    );

    /** Break it: in `IdentityProvider.complete`, leave out the verifier. */
    it('a code that another browser asked for, without its verifier', async () => {
      const answer = await begin();
      const [, value = ''] = answer.pending.split('=');
      const kept = JSON.parse(Buffer.from(value, 'base64url').toString());
      const forged = Buffer.from(JSON.stringify({ ...kept, verifier: 'y'.repeat(43) })).toString('base64url');
      await refused(await callback({ ...answer, pending: `${PENDING}=${forged}` }, '192.0.2.13'));
    });

    /** Break it: in `readPending`, take what the cookie has. */
    it.each([
      '',
      'x',
      Buffer.from('[]').toString('base64url'),
      Buffer.from('{"state":1}').toString('base64url'),
    ])('a cookie that is not one of ours: %j', async (value) => {
      const answer = await begin();
      await refused(await callback({ ...answer, pending: `${PENDING}=${value}` }, '192.0.2.14'));
    });

    /** Break it: in `OidcSignIn.complete`, leave out the throttle. */
    it('any number of attempts from one network', async () => {
      for (let i = 0; i < 20; i += 1)
        await refused(await get('/login/oidc/callback?code=x&state=y', '', '192.0.2.99'));
      const response = await get('/login/oidc/callback?code=x&state=y', '', '192.0.2.99');
      expect(response.status).toBe(429);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(60);
    });
  });

  /** Break it: in `returnPath`, answer what is given. */
  it('never leads to another site', async () => {
    await provider.expect({ subject: 'staff-1', claims: STAFF });
    const response = await callback(await begin('//evil.example'));
    expect(response.headers.get('location')).toBe('/base/');
  });

  /** Break it: in `UsersService`, leave out `assertDecidedHere`. */
  it('leaves password and role of its users to the provider', async () => {
    await enter('staff-1', STAFF);
    const cookie = await signIn(app);
    const path = `/users/${(await userOf(STAFF.email)).id}`;
    const page = await (await get(path, cookie)).text();
    expect(page).toContain('This user signs in with Test ID.');
    expect(page).not.toContain('name="password"');
    expect(
      (await submit(app, `${path}/password`, { password: 'a password for them' }, { cookie })).status,
    ).toBe(409);
    expect((await submit(app, `${path}/role`, { role: 'administrator' }, { cookie })).status).toBe(409);
    expect(await userOf(STAFF.email)).toMatchObject({ role: 'operator', hash: null });
  });

  /** Break it: in `OidcSignIn.complete`, do not take the attempt back. */
  it('says so when the provider does not answer, and counts no failure', async () => {
    const down = await startTestApp({
      ...provider.environment,
      ROLE: 'api',
      OIDC_ISSUER: 'http://127.0.0.1:9',
    });
    try {
      const response = await fetch(`${down.url}/login/oidc`, { redirect: 'manual' });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '60']);
      expect(await sentence(response)).toBe('Test ID does not answer. Try again in a minute.');
      expect((await fetch(`${down.url}/login`)).status).toBe(200);
    } finally {
      await down.close();
    }
  });

  describe('without local sign-in', () => {
    let strict: TestApp;
    beforeAll(async () => {
      strict = await startTestApp({ ROLE: 'api', PUBLIC_URL, ...provider.environment, LOCAL_SIGN_IN: 'off' });
    });
    afterAll(() => strict?.close());

    /** Break it: in `SignIn.signIn`, or in `SessionsService.principalOf`, leave out the check. */
    it('accepts no password, ends the sessions that began with one, and shows no form', async () => {
      await storeUser(strict, 'administrator');
      const fields = { email: 'administrator@example.org', password: TEST_PASSWORD };
      const response = await submit(strict, '/login', fields);
      expect(response.status).toBe(403);
      const id = 's'.repeat(43);
      const begun = new Client({ connectionString: strict.database.url });
      await begun.connect();
      await begun.query(
        'INSERT INTO user_session (session_hash, user_id) SELECT $1, user_id FROM app_user WHERE email = $2',
        [hashSessionId(id, strict.config.sessionSecret), fields.email],
      );
      const open = () =>
        fetch(`${strict.url}/imports`, { redirect: 'manual', headers: { cookie: `${COOKIE}=${id}` } });
      expect((await open()).status).toBe(303);
      await begun.query(`UPDATE user_session SET method = 'oidc'`);
      expect((await open()).status).toBe(200);
      await begun.end();
      const page = await (await fetch(`${strict.url}/login`)).text();
      expect(page).not.toContain('name="password"');
      expect(page).toContain('Sign in with Test ID');
    });
  });

  /** Break it: in `IdentityProvider.complete`, do not ask for the user info. */
  it('reads what the ID token lacks from the provider', async () => {
    await provider.serve(PUBLIC_URL, { claimsInIdToken: false });
    expect((await enter('by-info', { ...STAFF, email: 'by-info@example.org' })).status).toBe(303);
    expect(await userOf('by-info@example.org')).toMatchObject({ role: 'operator' });
  });
});

describe('without an identity provider', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
  });
  afterAll(() => app?.close());

  /** Break it: show the button always. */
  it.each(['/login/oidc', '/login/oidc/callback?code=x', '/login/oidc/sign-out'])(
    '%s is not found',
    async (path) => {
      expect((await fetch(app.url + path, { redirect: 'manual' })).status).toBe(404);
      expect(await (await fetch(`${app.url}/login`)).text()).not.toContain('Sign in with');
    },
  );
});
