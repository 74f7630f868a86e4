import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, loadConfig } from './config-loader.js';
import { EnvironmentVariables, VARIABLE_NAMES } from './environment-variables.js';

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('needs nothing: with no variable set everything is embedded, on loopback', () => {
    expect(loadConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      publicUrl: 'http://localhost:3000',
      role: 'all',
      dataDir: '.data',
      databaseUrl: undefined,
      redisUrl: undefined,
      smtpUrl: undefined,
      migrateOnStart: true,
      chunkSize: 1000,
      maxLineBytes: 1024 ** 2,
      maxBodyBytes: 2 * 1024 ** 3,
      maxRecords: 10_000_000,
    });
  });

  it('takes every value from its variable, numbers and flags parsed', () => {
    const config = loadConfig({
      PORT: '8080',
      PUBLIC_URL: 'https://imports.example.org/',
      ROLE: 'worker',
      DATABASE_URL: 'postgres://a:b@db:5432/c',
      REDIS_URL: 'rediss://:secret@cache:6380/1',
      MIGRATE_ON_START: 'false',
      WORKER_CONCURRENCY: '8',
      MAIL_FROM: 'Imports <imports@example.org>',
    });
    expect(config).toMatchObject({
      port: 8080,
      publicUrl: 'https://imports.example.org',
      role: 'worker',
      databaseUrl: 'postgres://a:b@db:5432/c',
      redisUrl: 'rediss://:secret@cache:6380/1',
      migrateOnStart: false,
      workerConcurrency: 8,
      mailFrom: 'Imports <imports@example.org>',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('links to the port it listens on when no public address is given', () => {
    expect(loadConfig({ PORT: '8080' }).publicUrl).toBe('http://localhost:8080');
  });

  it('counts an empty variable as unset', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '' })).toMatchObject({ port: 3000, databaseUrl: undefined });
  });

  it('names every bad variable at once', () => {
    const bad = {
      HOST: 'not a host',
      PORT: 'eighty',
      PUBLIC_URL: 'imports.example.org',
      ROLE: 'everything',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://db',
      DATABASE_POOL_SIZE: '1',
      MIGRATE_ON_START: 'maybe',
      REDIS_URL: 'localhost:6379',
      QUEUE_PREFIX: 'a:b',
      SMTP_URL: 'mail.example.org',
      MAIL_FROM: 'nobody',
      WORKER_CONCURRENCY: '0',
      CHUNK_SIZE: '-5',
      CHUNK_WINDOW: '1.5',
      RECONCILE_INTERVAL_MS: '1',
      MAX_BODY_BYTES: '2GB',
      MAX_LINE_BYTES: '0',
      MAX_RECORDS: '1e6',
      BOOTSTRAP_API_KEY: 'short',
      BOOTSTRAP_ADMIN_EMAIL: 'admin',
      BOOTSTRAP_ADMIN_PASSWORD: 'short',
      SESSION_SECRET: 'short',
    };
    const problems = problemsOf(bad);
    for (const name of Object.keys(bad)) {
      expect(problems.filter((problem) => problem.startsWith(name))).not.toEqual([]);
    }
  });

  /**
   * Break it: in `BASE_URL`, allow query components or fragments; in `isServerUrl`, leave out the line of the port, of
   * the path or of the percent-encoding; in `MAILBOX`, leave the comma out.
   */
  it.each([
    ['PUBLIC_URL', 'https://imports.example.org/?tenant=7'],
    ['PUBLIC_URL', 'https://imports.example.org/#imports'],
    ['PUBLIC_URL', 'https://somebody:secret@imports.example.org'],
    ['PUBLIC_URL', 'http://127.0.0.1:99999'],
    ['DATABASE_URL', 'postgres://db:abc/c'],
    ['DATABASE_URL', 'postgres://db:99999/c'],
    ['DATABASE_URL', 'postgres://db:0/c'],
    ['DATABASE_URL', 'postgres://a:100%@db/c'],
    ['DATABASE_URL', 'postgres://a:b#c@db/c'],
    ['REDIS_URL', 'redis://127.0.0.1:6379/zz'],
    ['REDIS_URL', 'redis://127.0.0.1:6379/1/2'],
    ['REDIS_URL', 'redis://127.0.0.1:99999'],
    ['REDIS_URL', 'redis:///0'],
    ['SMTP_URL', 'smtp://127.0.0.1:99999'],
    ['SMTP_URL', 'smtp://'],
    ['MAIL_FROM', 'a@b.example, c@d.example'],
    ['MAIL_FROM', 'A <a@b.example>, C <c@d.example>'],
    ['MAIL_FROM', 'a@localhost, C <c@d.example>'],
    ['MAIL_FROM', 'Imports, Members <a@b.example>'],
    ['MAIL_FROM', 'Imports <a@b.example'],
    ['MAIL_FROM', 'Imports\r\nBcc: c@d.example <a@b.example>'],
  ])('refuses %s=%s in one sentence', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} must `)]);
  });

  it.each([
    ['PUBLIC_URL', 'publicUrl', 'http://[::1]:3000/imports'],
    ['DATABASE_URL', 'databaseUrl', 'postgresql://a:b:c@data_base/c?sslmode=require'],
    ['DATABASE_URL', 'databaseUrl', 'postgres://a:b@/c?host=/var/run/postgresql'],
    ['DATABASE_URL', 'databaseUrl', 'postgres:///c?host=/var/run/postgresql'],
    ['DATABASE_URL', 'databaseUrl', 'postgres://%2Fvar%2Frun%2Fpostgresql/c'],
    ['REDIS_URL', 'redisUrl', 'redis://somebody:100%25@cache/'],
    ['SMTP_URL', 'smtpUrl', 'smtps://a%40b.example:c@mail?tls.rejectUnauthorized=false'],
    ['MAIL_FROM', 'mailFrom', 'a@b.example'],
    ['MAIL_FROM', 'mailFrom', 'Example Inc. <a@localhost>'],
    ['MAIL_FROM', 'mailFrom', '"Imports, \\"Members\\"" <a@b.example>'],
    ['MAIL_FROM', 'mailFrom', 'Mitglieder für Köln <a@[127.0.0.1]>'],
  ] as const)('takes %s as %s %s', (name, property, value) => {
    expect(loadConfig({ [name]: value })[property]).toBe(value);
  });

  /** Break it: leave out the `@Max` of MAX_BODY_BYTES or of MAX_WAITING_BATCHES. */
  it('has a largest value for every number', () => {
    const numbers = Object.entries(new EnvironmentVariables()).flatMap(([name, value]) =>
      typeof value === 'number' ? [name] : [],
    );
    const problems = problemsOf(Object.fromEntries(numbers.map((name) => [name, '9'.repeat(20)])));
    expect(problems).toEqual(numbers.map((name) => expect.stringMatching(`^${name} must not be greater`)));
  });

  it('never repeats the value of a secret in its message', () => {
    const problems = problemsOf({ BOOTSTRAP_API_KEY: 'hunter2', DATABASE_URL: 'mysql://root:hunter2@db' });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('hunter2');
  });

  it.each(['api', 'worker'])('requires real servers for ROLE=%s', (ROLE) => {
    expect(problemsOf({ ROLE })).toEqual([
      expect.stringMatching('^DATABASE_URL must be set'),
      expect.stringMatching('^REDIS_URL must be set'),
    ]);
  });

  it.each(['10.0.0.1', '10.0.0.0/8, 2001:db8::/32', 'loopback,uniquelocal', '::1'])(
    'trusts the proxies %s',
    (TRUSTED_PROXIES) => {
      expect(loadConfig({ TRUSTED_PROXIES }).trustedProxies).toEqual(
        TRUSTED_PROXIES.split(',').map((proxy) => proxy.trim()),
      );
    },
  );

  it.each(['everyone', '10.0.0.0/33', '10.0.0.1/8/8', 'proxy.example.org', '10.0.0.1;10.0.0.2'])(
    'refuses the proxies %s',
    (TRUSTED_PROXIES) => expect(problemsOf({ TRUSTED_PROXIES }).join()).toContain('TRUSTED_PROXIES must be'),
  );

  it('wants address and password of the first administrator together', () => {
    expect(problemsOf({ BOOTSTRAP_ADMIN_EMAIL: 'admin@example.org' })).toEqual([
      'BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD must be set together',
    ]);
  });

  describe('an identity provider', () => {
    const provider = {
      OIDC_ISSUER: 'https://id.example.org/realms/main',
      OIDC_CLIENT_ID: 'imports',
      OIDC_CLIENT_SECRET: 'a secret',
      OIDC_ROLES: 'cn=admins=administrator, staff=operator',
    };

    /** Break it: split a rule at its first equals sign. */
    it('is described by its variables', () => {
      expect(loadConfig({ ...provider, LOCAL_SIGN_IN: 'off' })).toMatchObject({
        localSignIn: false,
        oidc: {
          issuer: 'https://id.example.org/realms/main',
          scopes: 'openid profile email',
          groupsClaim: 'groups',
          roles: [
            { group: 'cn=admins', role: 'administrator' },
            { group: 'staff', role: 'operator' },
          ],
          name: 'single sign-on',
        },
      });
      expect(loadConfig({})).toMatchObject({ localSignIn: true, oidc: undefined });
    });

    /** Break it: in `isIssuer`, accept http for any host. */
    it.each([
      ['OIDC_ISSUER', 'http://id.example.org'],
      ['OIDC_ISSUER', 'http://127.0.0.1.example.org'],
      ['OIDC_ISSUER', 'https://id.example.org?tenant=7'],
      ['OIDC_ISSUER', 'https://somebody@id.example.org'],
      ['OIDC_ISSUER', 'id.example.org'],
      ['OIDC_ROLES', 'admins'],
      ['OIDC_ROLES', 'admins=emperor'],
      ['OIDC_ROLES', ' , '],
      ['OIDC_SCOPES', 'profile email'],
      ['OIDC_NAME', 'x'.repeat(51)],
    ])('has no %s=%s', (name, value) => {
      expect(problemsOf({ ...provider, [name]: value })).toEqual([expect.stringMatching(`^${name} must `)]);
    });

    it.each(['http://localhost:8080/realms/main', 'http://127.0.0.1:4000', 'http://[::1]:4000'])(
      'may be at %s',
      (OIDC_ISSUER) => expect(loadConfig({ ...provider, OIDC_ISSUER }).oidc?.issuer).toBe(OIDC_ISSUER),
    );

    /** Break it: in `configOf`, leave out the rules between variables. */
    it('is described completely, before passwords are switched off', () => {
      expect(problemsOf({ OIDC_ISSUER: provider.OIDC_ISSUER, OIDC_CLIENT_ID: 'x' })).toEqual([
        expect.stringMatching(/must be set together; missing: OIDC_CLIENT_SECRET, OIDC_ROLES$/),
      ]);
      expect(problemsOf({ LOCAL_SIGN_IN: 'false' })).toEqual([
        expect.stringMatching(/^LOCAL_SIGN_IN must be true/),
      ]);
    });
  });

  /** Break it: in `loadConfig`, throw before the rules between variables. */
  it('says so, and what a role lacks, beside other bad values', () => {
    const problems = problemsOf({ ROLE: 'api', PORT: 'eighty', BOOTSTRAP_ADMIN_PASSWORD: 'a good password' });
    expect(problems.map((problem) => problem.replace(/(:| must).*/, ''))).toEqual([
      'PORT',
      'PORT',
      'PORT',
      'BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD',
      'DATABASE_URL',
      'REDIS_URL',
    ]);
  });

  describe('secrets in files', () => {
    let directory: string;
    const file = (content: string) => {
      const path = join(directory, 'secret');
      writeFileSync(path, content);
      return path;
    };
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'wiq-config-'))));
    afterEach(() => rmSync(directory, { recursive: true }));

    it('are read, without the line end an editor leaves', () => {
      const SESSION_SECRET_FILE = file('a long enough secret\n');
      expect(loadConfig({ SESSION_SECRET_FILE }).sessionSecret).toBe('a long enough secret');
    });

    it('are checked as if they had been given directly', () => {
      expect(problemsOf({ DATABASE_URL_FILE: file('mysql://db') })).toEqual([
        expect.stringMatching(/^DATABASE_URL must look like postgres:/),
      ]);
    });

    it('must exist', () => {
      expect(problemsOf({ REDIS_URL_FILE: join(directory, 'missing') })).toEqual([
        expect.stringMatching(/^REDIS_URL_FILE cannot be read: ENOENT/),
      ]);
    });

    it('exclude the variable itself', () => {
      const SMTP_URL_FILE = file('smtp://a');
      expect(problemsOf({ SMTP_URL: 'smtp://b', SMTP_URL_FILE })).toEqual([
        'SMTP_URL and SMTP_URL_FILE must not be set together',
      ]);
    });
  });

  /** Break it: in `readTableConnections`, take `main` like any other name. */
  it('names the databases whose tables imports may fill', () => {
    const url = 'postgres://importer@db.example.org/crm';
    const { tableConnections } = loadConfig({
      TARGET_CRM_URL: url,
      TARGET_ERP_2_URL: url,
      TARGET_ERP_2_SCHEMAS: 'sales, stock',
      TARGET_MAIN_SCHEMAS: 'app',
    });
    expect([...tableConnections]).toEqual([
      ['crm', { url, schemas: ['public'] }],
      ['erp_2', { url, schemas: ['sales', 'stock'] }],
      ['main', { url: undefined, schemas: ['app'] }],
    ]);
    expect(
      problemsOf({ TARGET_CRM_URL: 'mysql://db', TARGET_MAIN_URL: url, TARGET_ERP_SCHEMAS: 'a' }),
    ).toEqual([
      expect.stringContaining('TARGET_CRM_URL must look like postgres://'),
      'TARGET_ERP_URL must be set, because TARGET_ERP_SCHEMAS is',
      'TARGET_MAIN_URL must not be set: main is the database of DATABASE_URL',
    ]);
  });

  it('is described variable by variable, with its defaults, in .env.example', () => {
    const example = readFileSync(join(__dirname, '../../../.env.example'), 'utf8');
    const described = [...example.matchAll(/^#? ?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
    const defaults = new EnvironmentVariables();
    for (const [name, value] of Object.entries(defaults)) {
      expect(described).toContainEqual([name, String(value)]);
    }
    // Connections have names that their operators choose.
    const fixed = described
      .map(([name]) => name)
      .filter((name) => !/^TARGET_[A-Z]+_(URL|SCHEMAS)$/.test(name ?? ''));
    expect(fixed.toSorted()).toEqual(VARIABLE_NAMES.toSorted());
  });
});
