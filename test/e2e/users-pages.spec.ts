import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { sessionCookieOf, signIn, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const MARKUP = `"><script>alert(1)</script>`;

describe('the pages of users', () => {
  let app: TestApp;
  let client: Client;
  let cookie: string;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api', BOOTSTRAP_ADMIN_EMAIL: '', BOOTSTRAP_ADMIN_PASSWORD: '' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    cookie = await signIn(app);
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const page = async (path: string, as = cookie) => {
    const response = await fetch(app.url + path, { headers: { cookie: as }, redirect: 'manual' });
    return { status: response.status, html: await response.text() };
  };
  const send = async (path: string, fields: Record<string, string | string[]> = {}, as = cookie) => {
    const response = await submit(app, path, fields, { cookie: as });
    return {
      status: response.status,
      location: response.headers.get('location'),
      html: await response.text(),
      headers: response.headers,
    };
  };
  const userId = async (email: string): Promise<number> => {
    const { rows } = await client.query('SELECT user_id FROM app_user WHERE email = $1', [email]);
    return Number(rows[0].user_id);
  };
  const canSignIn = async (email: string, password: string) =>
    (await submit(app, '/login', { email, password })).status === 303;
  const lastAudit = async (subject: string) => {
    const { rows } = await client.query(
      'SELECT actor, action, details FROM audit_log WHERE subject = $1 ORDER BY audit_id DESC LIMIT 1',
      [subject],
    );
    return rows[0];
  };
  const waitingForLocks = async (): Promise<number> => {
    // Within a transaction the view is read once only.
    await client.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await client.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0].count;
  };
  const errorAt = (html: string, field: string) =>
    new RegExp(`id="error-${field}">([^<]*)<`).exec(html)?.[1] ?? null;

  describe('list', () => {
    /** Break it: in `UsersService.create`, store the address as it is given. */
    it('shows all users and adds one, who can then sign in', async () => {
      const answer = await send('/users', {
        email: 'Zoe@Example.org',
        role: 'operator',
        password: 'a password for zoe',
      });
      expect([answer.status, answer.location]).toEqual([303, '/users']);
      const { html } = await page('/users');
      expect(html).toContain('zoe@example.org');
      expect(html).toContain('administrator@example.org');
      expect(await canSignIn('zoe@example.org', 'a password for zoe')).toBe(true);
      const audited = await lastAudit(`user:${await userId('zoe@example.org')}`);
      expect(audited).toMatchObject({
        action: 'user_created',
        actor: `user:${await userId('administrator@example.org')}`,
        details: { email: 'zoe@example.org', role: 'operator' },
      });
      expect(JSON.stringify(audited)).not.toContain('a password for zoe');
    });

    /** Break it: in `PrincipalGuard`, leave out `assertOwnPassword`. */
    it('makes new users change the password that the administrator chose', async () => {
      const email = 'newcomer@example.org';
      await send('/users', { email, role: 'operator', password: 'a password for now' });
      const theirs = sessionCookieOf(await submit(app, '/login', { email, password: 'a password for now' }))!;
      const open = (path: string) =>
        fetch(app.url + path, { headers: { cookie: theirs }, redirect: 'manual' });
      const refused = await open('/imports');
      expect([refused.status, refused.headers.get('location')]).toEqual([303, '/account?temporary']);
      const api = await open('/API/WorkflowImportQueue/Batches');
      expect(api.status).toBe(403);
      expect(await api.json()).toMatchObject({ code: 'password_change_required' });
      expect((await open('/queues')).status).toBe(303);
      expect((await page('/account', theirs)).html).toContain('Someone else set your password');
      const fields = {
        currentPassword: 'a password for now',
        newPassword: 'a password of my own',
        repeatedPassword: 'a password of my own',
      };
      expect((await send('/account/password', fields, theirs)).status).toBe(303);
      expect((await open('/imports')).status).toBe(200);
    });

    /** Break it: in `usableHash`, leave out `assertUsablePassword`. */
    it.each(['123456789012', 'Password1234', 'aaaaaaaaaaaa'])(
      'refuses a common password: %s',
      async (password) => {
        const { status, html } = await send('/users', { email: 'x@example.org', role: 'viewer', password });
        expect([status, errorAt(html, 'password')]).toEqual([400, expect.stringContaining('too common')]);
      },
    );

    /** Break it: in `UsersPage.create`, render the form empty. */
    it.each([
      [
        { email: 'nobody', role: 'viewer', password: 'long enough now' },
        'email',
        /must be an e-mail address/,
      ],
      [{ email: MARKUP, role: 'viewer', password: 'long enough now' }, 'email', /must be an e-mail address/],
      [
        { email: 'administrator@example.org', role: 'viewer', password: 'long enough now' },
        'email',
        /another user/,
      ],
      [{ email: 'new@example.org', role: 'emperor', password: 'long enough now' }, 'role', /must be one of/],
      [{ email: 'new@example.org', role: 'viewer', password: 'short' }, 'password', /12 to 256 characters/],
      [{ email: 'new@example.org', role: 'viewer', password: '' }, 'password', /is required/],
      [
        { email: 'new@example.org', role: 'viewer', password: 'New@example.org' },
        'password',
        /must not be the e-mail/,
      ],
    ])('reports each error at its field and keeps what was entered: %j', async (fields, field, sentence) => {
      const { status, html } = await send('/users', fields);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(errorAt(html, field)).toMatch(sentence);
      expect(html).not.toContain('<script>');
      expect(html).toMatch(/name="password" type="text" value=""/);
      if (field !== 'email') expect(html).toContain(`value="${fields.email}"`);
    });
  });

  describe('one user', () => {
    /** Break it: in `UsersService.changeAccess`, leave out the UPDATE, or end no session. */
    it('gets another role and is signed out everywhere', async () => {
      const email = 'role@example.org';
      const theirs = await signIn(app, 'viewer', email);
      expect((await page('/users', theirs)).status).toBe(403);
      const path = `/users/${await userId(email)}`;
      expect((await send(`${path}/role`, { role: 'viewer' })).location).toBe(path);
      expect((await page('/imports', theirs)).status).toBe(200);
      expect((await send(`${path}/role`, { role: 'administrator' })).location).toBe(path);
      expect((await page('/users', theirs)).status).toBe(303);
      const again = sessionCookieOf(await submit(app, '/login', { email, password: TEST_PASSWORD }))!;
      expect((await page('/users', again)).status).toBe(200);
      expect(await lastAudit(`user:${await userId(email)}`)).toMatchObject({ action: 'user_role_changed', details: { from: 'viewer', to: 'administrator', sessionsEnded: 1 } }); // prettier-ignore
      await send(`${path}/role`, { role: 'viewer' });
    });

    describe('limited to file types', () => {
      let fileTypes: [number, number];
      let path: string;
      const email = 'few@example.org';

      beforeAll(async () => {
        fileTypes = [
          await storeImportProcess(client, 'Members'),
          await storeImportProcess(client, 'Donations'),
        ];
        await storeUser(app, 'operator', email);
        path = `/users/${await userId(email)}`;
      });

      const limit = async (): Promise<number[] | null> => {
        const { rows } = await client.query('SELECT import_process_ids FROM app_user WHERE email = $1', [
          email,
        ]);
        return rows[0].import_process_ids?.map(Number) ?? null;
      };
      const choose = (role: string, importProcessIds: (number | string)[]) =>
        send(`${path}/role`, { role, limitShown: 'yes', importProcessIds: importProcessIds.map(String) });
      const ticked = (html: string) =>
        [...html.matchAll(/name="importProcessIds" value="(\d+)" checked/g)].map(([, id]) => Number(id));

      /** Break it: in `accessFields`, leave out the list. */
      it('keeps what was ticked, shows it, and writes it down', async () => {
        expect((await choose('operator', [fileTypes[0]])).location).toBe(path);
        expect(await limit()).toEqual([fileTypes[0]]);
        expect(ticked((await page(path)).html)).toEqual([fileTypes[0]]);
        expect((await page('/users')).html).toMatch(/few@example[^]*?>Members</);
        expect(await lastAudit(`user:${await userId(email)}`)).toMatchObject({ action: 'user_import_processes_changed', details: { from: null, to: [fileTypes[0]] } }); // prettier-ignore
      });

      /** Break it: in `UsersService.changeAccess`, take an absent limit for none. */
      it('keeps the limit when only the role changes', async () => {
        await choose('operator', [fileTypes[1]]);
        expect((await send(`${path}/role`, { role: 'viewer' })).status).toBe(303);
        expect(await limit()).toEqual([fileTypes[1]]);
      });

      /** Break it: in `FileTypeLimits.options`, leave out deleted file types. */
      it('keeps the limit to a file type that was deleted', async () => {
        const gone = await storeImportProcess(client, 'Gone');
        await choose('viewer', [gone]);
        await client.query('DELETE FROM import_process WHERE import_process_id = $1', [gone]);
        const { html } = await page(path);
        expect([ticked(html), html.includes(`no. ${gone} (deleted)`)]).toEqual([[gone], true]);
        expect((await choose('operator', [gone])).status).toBe(303);
        expect(await limit()).toEqual([gone]);
        const { status } = await choose('operator', [gone, 999_999]);
        expect(status).toBe(400);
      });

      /** Break it: in `UsersService.assertLimitFits`, leave out the first check. */
      it('cannot become an administrator unless the limit is removed', async () => {
        await choose('operator', [fileTypes[0]]);
        const { status, html } = await choose('administrator', [fileTypes[0]]);
        expect([status, errorAt(html, 'importProcessIds')]).toEqual([
          400,
          'an administrator cannot be limited to file types',
        ]);
        expect(ticked(html)).toEqual([fileTypes[0]]);
        expect(html).toContain('<option value="administrator" selected>');
        expect((await send(`${path}/role`, { role: 'administrator' })).status).toBe(400);
        expect((await choose('administrator', [])).status).toBe(303);
        expect(await limit()).toBeNull();
        await choose('viewer', []);
      });

      /** Break it: in `UsersPage.create`, leave the file types out. */
      it('is limited from the beginning, if the form for a new user says so', async () => {
        const fields = {
          email: 'fresh@example.org',
          role: 'viewer',
          password: 'long enough now',
          limitShown: 'yes',
        };
        const refused = await send('/users', {
          ...fields,
          password: 'short',
          importProcessIds: String(fileTypes[1]),
        });
        expect(ticked(refused.html)).toEqual([fileTypes[1]]);
        expect((await send('/users', { ...fields, importProcessIds: String(fileTypes[1]) })).status).toBe(
          303,
        );
        expect(ticked((await page(`/users/${await userId('fresh@example.org')}`)).html)).toEqual([
          fileTypes[1],
        ]);
      });
    });

    /** Break it: in `UsersService.disable`, end no session. */
    it('is signed out when disabled, cannot sign in, and can again when enabled', async () => {
      const email = 'leaver@example.org';
      const theirs = await signIn(app, 'operator', email);
      const path = `/users/${await userId(email)}`;
      expect((await send(`${path}/disable`)).status).toBe(303);
      expect((await page('/imports', theirs)).status).toBe(303);
      expect(await canSignIn(email, TEST_PASSWORD)).toBe(false);
      expect((await page(path)).html).toContain('disabled');
      await send(`${path}/enable`);
      expect(await canSignIn(email, TEST_PASSWORD)).toBe(true);
      expect((await page('/imports', theirs)).status).toBe(303);
    });

    /** Break it: in `UsersService.setPassword`, end no session. */
    it('gets another password and is signed out everywhere', async () => {
      const email = 'forgetful@example.org';
      const theirs = await signIn(app, 'operator', email);
      const path = `/users/${await userId(email)}`;
      expect(errorAt((await send(`${path}/password`, { password: 'short' })).html, 'password')).toMatch(
        /12 to/,
      );
      expect((await page('/imports', theirs)).status).toBe(200);
      expect((await send(`${path}/password`, { password: 'quite another one' })).status).toBe(303);
      expect((await page('/imports', theirs)).status).toBe(303);
      expect(await canSignIn(email, TEST_PASSWORD)).toBe(false);
      expect(await canSignIn(email, 'quite another one')).toBe(true);
    });

    /** Break it: in `UsersService.signOutEverywhere`, end no session. */
    it('can be signed out everywhere', async () => {
      const email = 'everywhere@example.org';
      const theirs = [await signIn(app, 'viewer', email), await signIn(app, 'viewer', email)];
      await send(`/users/${await userId(email)}/sign-out`);
      for (const each of theirs) expect((await page('/imports', each)).status).toBe(303);
    });

    /** Break it: in `lockUserAndAdministrators`, leave out FOR UPDATE. */
    it('stays an administrator while no other exists, even when two remove each other at once', async () => {
      const [first, second] = [
        await userId('administrator@example.org'),
        await storeUser(app, 'administrator', 'two@example.org'),
      ];
      // Both requests are past their guards, and wait for the rows, before either of them changes anything.
      await client.query(`BEGIN; SELECT 1 FROM app_user WHERE role = 'administrator' FOR UPDATE`);
      const both = Promise.all([
        send(`/users/${first}/role`, { role: 'viewer' }),
        send(`/users/${second}/disable`),
      ]);
      await eventually(async () => (await waitingForLocks()) === 2, 'two requests that wait for the rows');
      await client.query('COMMIT');
      const [one, two] = await both;
      expect([one.status, two.status].sort()).toEqual([303, 409]);
      const refused = one.status === 409 ? one : two;
      expect(refused.html).toContain('Make another user an administrator first');
      const { rows } = await client.query(
        `SELECT count(*)::int AS count FROM app_user WHERE role = 'administrator' AND disabled_at IS NULL`,
      );
      expect(rows[0]).toEqual({ count: 1 });
      await storeUser(app, 'administrator');
      await client.query('UPDATE app_user SET disabled_at = NULL');
      cookie = await signIn(app);
    });

    /** Break it: in `users.service.ts`, let `find` answer nothing. */
    it.each(['999999', '0', 'abc'])('is not found under the number %s', async (id) => {
      expect((await page(`/users/${id}`)).status).toBe(404);
      expect((await send(`/users/${id}/password`, { password: 'long enough now' })).status).toBe(404);
      expect((await send(`/users/${id}/disable`)).status).toBe(404);
    });

    /** Break it: in `UsersPagesController`, require `Configure` instead of a person. */
    it('cannot be created by an API key, whatever its permissions', async () => {
      const fields = { email: 'key@example.org', role: 'administrator', password: 'made by a key' };
      const response = await submit(app, '/users', fields, { authorization: `apikey ${TEST_API_KEY}` });
      expect(response.status).toBe(403);
      expect(await userId('administrator@example.org')).toBeGreaterThan(0);
      expect(await canSignIn('key@example.org', 'made by a key')).toBe(false);
    });
  });

  describe('your account', () => {
    const change = (
      as: string,
      currentPassword: string,
      newPassword: string,
      repeatedPassword = newPassword,
    ) => send('/account/password', { currentPassword, newPassword, repeatedPassword }, as);

    /** Break it: in `UsersService.setPassword`, end the own session, too. */
    it('changes the password; the other sessions end, this one stays', async () => {
      const email = 'careful@example.org';
      const [here, there] = [await signIn(app, 'viewer', email), await signIn(app, 'viewer', email)];
      const { status, location } = await change(here, TEST_PASSWORD, 'my own new password');
      expect([status, location]).toEqual([303, '/account?changed']);
      expect((await page('/account?changed', here)).html).toContain('Your password was changed');
      expect((await page('/account', there)).status).toBe(303);
      expect(await canSignIn(email, TEST_PASSWORD)).toBe(false);
      expect(await canSignIn(email, 'my own new password')).toBe(true);
      expect(await lastAudit(`user:${await userId(email)}`)).toMatchObject({
        action: 'password_changed',
        details: { sessionsEnded: 1 },
      });
    });

    /** Break it: in `AccountService.changePassword`, compare nothing with the repeated password. */
    it('reports each error at its field', async () => {
      const mine = await signIn(app, 'viewer', 'typo@example.org');
      expect(errorAt((await change(mine, 'wrong', 'long enough now')).html, 'currentPassword')).toMatch(
        /not your/,
      );
      expect(errorAt((await change(mine, TEST_PASSWORD, 'short')).html, 'newPassword')).toMatch(/12 to 256/);
      expect(
        errorAt(
          (await change(mine, TEST_PASSWORD, 'long enough now', 'long enough nox')).html,
          'repeatedPassword',
        ),
      ).toMatch(/differs/);
      expect(await canSignIn('typo@example.org', TEST_PASSWORD)).toBe(true);
    });

    /** Break it: in `SignIn.isPasswordOf`, do not throttle. */
    it('limits how often a browser left open can guess the password', async () => {
      const mine = await signIn(app, 'viewer', 'guessed@example.org');
      for (let i = 0; i < 10; i++) expect((await change(mine, 'wrong', 'long enough now')).status).toBe(400);
      const { status, headers } = await change(mine, TEST_PASSWORD, 'long enough now');
      expect(status).toBe(429);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(60);
    });

    describe('the list of sessions', () => {
      const email = 'sessions@example.org';
      const enter = async (userAgent: string, address: string) => {
        const headers = { 'user-agent': userAgent, 'x-forwarded-for': address };
        return sessionCookieOf(await submit(app, '/login', { email, password: TEST_PASSWORD }, headers))!;
      };
      const endPaths = (html: string) =>
        [...html.matchAll(/action="(\/account\/sessions\/[0-9a-f-]{36}\/end)"/g)].map(([, path]) => path!);

      /** Break it: in `endSession`, leave out the user. */
      it('names browser and address of each, and ends one', async () => {
        await storeUser(app, 'viewer', email);
        const here = await enter(
          'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0',
          '192.0.2.10',
        );
        const there = await enter('curl/8.5.0', '2001:db8::7');
        const { html } = await page('/account', here);
        for (const shown of ['Firefox on Linux', '192.0.2.10', 'curl/8.5.0', '2001:db8::7', 'this session'])
          expect(html).toContain(shown);
        const [path, ...rest] = endPaths(html);
        expect(rest).toEqual([]);
        const stranger = await signIn(app, 'viewer', 'stranger@example.org');
        expect((await send(path!, {}, stranger)).status).toBe(404);
        expect((await page('/imports', there)).status).toBe(200);
        expect((await send(path!, {}, here)).location).toBe('/account');
        expect((await page('/imports', there)).status).toBe(303);
        expect((await page('/imports', here)).status).toBe(200);
        expect((await send(path!, {}, here)).status).toBe(404);
        expect(await lastAudit(`user:${await userId(email)}`)).toMatchObject({ action: 'session_ended' });
      });

      /** Break it: in `AccountService.endOtherSessions`, keep none. */
      it('ends all others', async () => {
        const here = await enter('one', '192.0.2.10');
        const others = [await enter('two', '192.0.2.11'), await enter('three', '192.0.2.12')];
        expect((await send('/account/sessions/end-others', {}, here)).location).toBe('/account');
        for (const each of others) expect((await page('/account', each)).status).toBe(303);
        const { html } = await page('/account', here);
        expect(endPaths(html)).toEqual([]);
        expect(html).not.toContain('sessions/end-others');
      });

      /** Break it: in `RECORD_USE`, leave the address as it is. */
      it('shows the address of the last use', async () => {
        const mine = await enter('roaming', '192.0.2.20');
        await client.query(`UPDATE user_session SET last_seen_at = now() - interval '5 minutes'`);
        const headers = { cookie: mine, 'x-forwarded-for': '198.51.100.4' };
        await fetch(`${app.url}/imports`, { headers });
        await eventually(
          async () => (await page('/account', mine)).html.includes('198.51.100.4'),
          'the address of the last use',
        );
      });
    });

    /** Break it: in `UsersService.signOutEverywhere`, keep the session of the request. */
    it('ends every session on demand, this one too', async () => {
      const email = 'gone@example.org';
      const [here, there] = [await signIn(app, 'viewer', email), await signIn(app, 'viewer', email)];
      const { status, location, headers } = await send('/account/sign-out-everywhere', {}, here);
      expect([status, location]).toEqual([303, '/login']);
      expect(headers.getSetCookie()[0]).toMatch(/=; .*1970/);
      for (const each of [here, there]) expect((await page('/account', each)).status).toBe(303);
    });
  });

  describe('the navigation', () => {
    /** Break it: in `userPrincipal`, make administrators of operators. */
    it.each([
      ['administrator', ['/users', '/api-keys', '/queues']],
      ['operator', ['/queues']],
      ['viewer', []],
    ] as const)('offers a user who is %s of what is not imports: %j', async (role, offered) => {
      const { html } = await page('/account', await signIn(app, role));
      expect(html).toContain(`${role}@example.org`);
      const paths = ['/users', '/api-keys', '/queues'];
      expect(paths.filter((path) => html.includes(`href="${path}"`))).toEqual(offered);
    });
  });
});
