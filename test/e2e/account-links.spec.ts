import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { sessionCookieOf, signIn, storeUser, submit, TEST_PASSWORD } from '../support/sign-in.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const PASSWORD = 'a password of their own';
const TOKEN = /\/login\/link\?token=([\w-]{43})/;

describe('links by mail', () => {
  let sink: SmtpSink;
  let app: TestApp;
  let client: Client;
  let administrator: string;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    app = await startTestApp({ SMTP_URL: sink.url, MAIL_RECIPIENT_DOMAINS: 'example.org' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    administrator = await signIn(app);
  });
  afterAll(async () => {
    await client?.end();
    await app?.close();
    await sink?.down();
  });

  const send = async (path: string, fields: Record<string, string>, cookie = '', address = '192.0.2.1') => {
    const response = await submit(app, path, fields, { cookie, 'x-forwarded-for': address });
    return {
      status: response.status,
      location: response.headers.get('location'),
      html: await response.text(),
    };
  };
  const open = async (path: string, cookie = '') => {
    const response = await fetch(app.url + path, { redirect: 'manual', headers: { cookie } });
    return { status: response.status, html: await response.text() };
  };
  const forget = (email: string, address = '192.0.2.1') => send('/login/forgotten', { email }, '', address);
  const setPassword = (token: string, newPassword = PASSWORD, repeatedPassword = newPassword) =>
    send('/login/link', { token, newPassword, repeatedPassword });
  const enter = (email: string, password: string) =>
    submit(app, '/login', { email, password }, { 'x-forwarded-for': '192.0.2.1' });
  const lastToken = (email: string) => TOKEN.exec(sink.mailsTo(email).at(-1)?.text ?? '')?.[1] ?? null;
  /** The token of the nth mail to the address. */
  const token = async (email: string, count = 1): Promise<string> => {
    await eventually(() => sink.mailsTo(email).length === count, `mail ${count} to ${email}`);
    return lastToken(email)!;
  };
  const invite = (email: string) => send('/users', { email, role: 'operator', password: '' }, administrator);
  const idOf = async (email: string): Promise<number> =>
    Number((await client.query('SELECT user_id FROM app_user WHERE email = $1', [email])).rows[0].user_id);

  describe('an invitation', () => {
    /** Break it: in `UsersService.create`, leave out `invite`. */
    it('lets the invited person choose a password, once', async () => {
      const email = 'invited@example.org';
      expect((await invite(email)).location).toBe('/users');
      expect((await open('/users', administrator)).html).toContain('invited');
      const link = await token(email);
      const [mail] = sink.mailsTo(email);
      expect(mail!.subject).toBe('Your account for imports');
      expect(mail!.text).toContain(`https://imports.example.org/login/link?token=${link}`);
      expect((await open(`/login/link?token=${link}`)).html).toContain(email);
      // Opening the page does not use it up, and neither does a mistake.
      expect((await setPassword(link, 'short')).html).toMatch(/id="error-newPassword">[^<]*12 to 256/);
      expect((await setPassword(link, PASSWORD, 'another')).html).toMatch(/id="error-repeatedPassword">/);
      expect((await setPassword(link, '123456789012')).html).toContain('too common');
      const done = await setPassword(link);
      expect([done.status, done.location]).toEqual([303, '/login?password-set']);
      const session = sessionCookieOf(await enter(email, PASSWORD))!;
      // The password is the user's own, so it need not be changed.
      expect((await open('/imports', session)).status).toBe(200);
      expect((await setPassword(link, 'yet another password')).status).toBe(410);
      expect((await open(`/login/link?token=${link}`)).status).toBe(410);
    });

    /** Break it: in `insertLink`, keep the earlier links; or let `invite` work for everyone. */
    it('is replaced by the next one, and not sent to a user who has a password', async () => {
      const email = 'again@example.org';
      await invite(email);
      const first = await token(email);
      const path = `/users/${await idOf(email)}`;
      expect((await open(path, administrator)).html).toContain('Send another invitation');
      expect((await send(`${path}/invite`, {}, administrator)).location).toBe(path);
      const second = await token(email, 2);
      expect((await setPassword(first)).status).toBe(410);
      expect((await setPassword(second)).status).toBe(303);
      expect((await send(`${path}/invite`, {}, administrator)).status).toBe(410);
    });

    /** Break it: in `selectLink`, leave out the time or `disabled_at`. */
    it('does not work after seven days, nor for a user who was disabled', async () => {
      await invite('late@example.org');
      const late = await token('late@example.org');
      const age = (hours: number) =>
        client.query(
          `UPDATE account_link SET created_at = created_at - $1 * interval '1 hour', expires_at = expires_at - $1 * interval '1 hour'`,
          [hours],
        );
      await age(167);
      expect((await open(`/login/link?token=${late}`)).status).toBe(200);
      await age(2);
      expect((await setPassword(late)).status).toBe(410);
      await invite('off@example.org');
      const off = await token('off@example.org');
      await send(`/users/${await idOf('off@example.org')}/disable`, {}, administrator);
      expect((await setPassword(off)).status).toBe(410);
    });

    /** Break it: in `AccountLinks.assertCanInvite`, leave out the domains. */
    it('goes only to domains that may receive mail', async () => {
      const { status, html } = await invite('someone@elsewhere.example');
      expect([status, /id="error-email">/.test(html)]).toEqual([400, true]);
      expect((await client.query(`SELECT 1 FROM app_user WHERE email LIKE '%elsewhere%'`)).rowCount).toBe(0);
    });
  });

  describe('a forgotten password', () => {
    /** Break it: in `AccountLinks.setPassword`, leave out `endSessions`; or keep the link. */
    it('is replaced by a link that works once and ends all sessions', async () => {
      const email = 'forgetful@example.org';
      const session = await signIn(app, 'viewer', email);
      expect((await open('/login')).html).toContain('href="/login/forgotten"');
      expect((await forget(` ${email.toUpperCase()}`)).location).toBe('/login/forgotten?sent');
      const link = await token(email);
      expect((await open('/imports', session)).status).toBe(200);
      const both = await Promise.all([setPassword(link), setPassword(link, 'a password of the other')]);
      expect(both.map(({ status }) => status).sort()).toEqual([303, 410]);
      expect((await open('/imports', session)).status).toBe(303);
      expect((await enter(email, TEST_PASSWORD)).status).toBe(401);
      const { rows } = await client.query(
        `SELECT action, actor FROM audit_log WHERE subject = $1 ORDER BY audit_id`,
        [`user:${await idOf(email)}`],
      );
      expect(rows.map(({ action }) => action)).toEqual(['password_reset_requested', 'password_reset']);
    });

    /** Break it: in `AccountLinks.mailReset`, mail every address; or answer 404 for an unknown one. */
    it('is answered in the same way for an address that no user has', async () => {
      await storeUser(app, 'viewer', 'known@example.org');
      const [known, unknown] = [await forget('known@example.org'), await forget('unknown@example.org')];
      expect(unknown).toEqual(known);
      await token('known@example.org');
      expect(sink.mailsTo('unknown@example.org')).toEqual([]);
    });

    /** Break it: in `selectLink`, leave out the time. */
    it('cannot be replaced after an hour, nor by an older link than the last', async () => {
      const email = 'slow@example.org';
      await storeUser(app, 'viewer', email);
      await forget(email);
      const first = await token(email);
      await forget(email);
      const second = await token(email, 2);
      expect((await setPassword(first)).status).toBe(410);
      await client.query(`UPDATE account_link SET expires_at = expires_at - interval '61 minutes'`);
      expect((await setPassword(second)).status).toBe(410);
      expect((await enter(email, TEST_PASSWORD)).status).toBe(303);
    });

    /** Break it: in `AccountLinks`, leave out one of the limits. */
    it('causes at most three mails to one account, and ten requests from one network', async () => {
      const email = 'flooded@example.org';
      await storeUser(app, 'viewer', email);
      const statuses: number[] = [];
      for (let i = 0; i < 11; i += 1) statuses.push((await forget(email, '192.0.2.60')).status);
      expect(statuses).toEqual([...Array<number>(10).fill(303), 429]);
      expect((await forget('nobody@example.org', '192.0.2.60')).status).toBe(429);
      await storeUser(app, 'viewer', 'last@example.org');
      await forget('last@example.org', '192.0.2.61');
      await token('last@example.org');
      expect(sink.mailsTo(email).length).toBeLessThanOrEqual(3);
    });

    /** Break it: in `AccountLinkPage`, leave out `assertSameSite`. */
    it('cannot be asked for by a page of another site', async () => {
      const response = await submit(
        app,
        '/login/forgotten',
        { email: 'x@example.org' },
        { origin: 'https://evil.example' },
      );
      expect(response.status).toBe(403);
    });
  });

  /** Break it: in `newContent`, keep the text; or store the token instead of its hash. */
  it('exist in the mail only', async () => {
    const email = 'secret@example.org';
    await storeUser(app, 'viewer', email);
    await forget(email, '192.0.2.70');
    const link = await token(email);
    await eventually(
      async () =>
        (await client.query(`SELECT 1 FROM outbox WHERE recipient = $1 AND status = 'sent'`, [email]))
          .rowCount === 1,
      'a mail that is noted as sent',
    );
    const { rows } = await client.query(
      `SELECT (SELECT string_agg(o::text, ' ') FROM outbox o) || (SELECT string_agg(l::text, ' ') FROM account_link l)
           || (SELECT string_agg(a::text, ' ') FROM audit_log a) AS everything`,
    );
    expect(rows[0].everything).not.toContain(link);
    expect(rows[0].everything).not.toContain(Buffer.from(link).toString('hex'));
    expect((await open('/mail', administrator)).html).not.toContain(link);
  });
});

describe('without a mail server', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
  });
  afterAll(() => app?.close());

  /** Break it: in `AccountLinks.available`, answer true. */
  it('the administrator learns that mail is off, and no one can ask for a link', async () => {
    const cookie = await signIn(app);
    const page = await (await fetch(`${app.url}/users`, { headers: { cookie } })).text();
    expect(page).toContain('Mail is off (SMTP_URL is not set)');
    const fields = { email: 'new@example.org', role: 'viewer', password: '' };
    const refused = await submit(app, '/users', fields, { cookie });
    expect([refused.status, await refused.text()]).toEqual([
      409,
      expect.stringContaining('a password is required, because mail is off'),
    ]);
    expect(await (await fetch(`${app.url}/login/forgotten`)).text()).toContain('cannot send mail');
    expect((await submit(app, '/login/forgotten', { email: 'new@example.org' })).status).toBe(409);
  });
});
