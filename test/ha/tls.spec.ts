import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../dev/embedded/child-server.js';
import { newMembers } from '../crash/support/members.js';
import { Site } from '../crash/support/site.js';
import { eventually } from '../support/eventually.js';
import { TEST_API_KEY } from '../support/test-app.js';
import {
  migratedDatabase,
  openDirectory,
  POSTGRES_BIN,
  PostgresNode,
  run,
} from './support/postgres-nodes.js';

jest.setTimeout(180_000);

const HAS_NGINX = spawnSync('nginx', ['-v']).error === undefined;
const HAS_SERVERS =
  POSTGRES_BIN !== undefined &&
  ['openssl', 'redis-server'].every((program) => spawnSync(program, ['--version']).error === undefined);

/** An authority of our own, and a certificate of it for 127.0.0.1 only. */
function issueCertificates(directory: string) {
  const [authority, certificate] = [join(directory, 'ca.pem'), join(directory, 'server.pem')];
  const [authorityKey, key] = [join(directory, 'ca.key'), join(directory, 'server.key')];
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 2'.split(' ');
  run('openssl', [...request, '-subj', '/CN=Test authority', '-keyout', authorityKey, '-out', authority]);
  const extensions = ['subjectAltName=IP:127.0.0.1', 'basicConstraints=critical,CA:FALSE'];
  run('openssl', [
    ...request,
    ...['-subj', '/CN=server', '-CA', authority, '-CAkey', authorityKey, '-keyout', key, '-out', certificate],
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]);
  return { authority, certificate, key };
}

(HAS_SERVERS ? describe : describe.skip)(
  'PostgreSQL and Redis behind TLS, with an authority of our own',
  () => {
    const directory = HAS_SERVERS ? openDirectory() : '';
    let files: ReturnType<typeof issueCertificates>;
    let primary: PostgresNode;
    let redis: ChildProcess;
    let redisPort: number;
    let site: Site;

    beforeAll(async () => {
      files = issueCertificates(directory);
      primary = await PostgresNode.primary([
        'ssl=on',
        `ssl_cert_file=${files.certificate}`,
        `ssl_key_file=${files.key}`,
      ]);
      redisPort = await freePort();
      redis = spawn(
        'redis-server',
        [
          ...['--port', '0', '--tls-port', String(redisPort), '--save', '', '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', files.certificate, '--tls-key-file', files.key],
          ...['--tls-ca-cert-file', files.authority],
          // As docs/operations.md has it; nobody comes in without a password.
          ...'--user default off'.split(' '),
          ...'--user wiq on >secret ~wiq:* &wiq:* +@all -@admin -@dangerous +info'.split(' '),
        ],
        { stdio: 'ignore' },
      );
      await eventually(async () => {
        const client = new Redis({
          ...{ host: '127.0.0.1', port: redisPort, username: 'wiq', password: 'secret', lazyConnect: true },
          ...{ tls: { ca: readFileSync(files.authority) }, retryStrategy: () => null },
        });
        client.on('error', () => undefined);
        return client.connect().then(
          () => client.ping().finally(() => client.disconnect()),
          () => null,
        );
      }, 'Redis to answer');
    });
    afterAll(async () => {
      await site?.close();
      await primary?.close();
      if (redis?.kill('SIGKILL') === true) await once(redis, 'exit');
      if (directory !== '') rmSync(directory, { recursive: true, force: true });
    });

    const withTls = (url: string) => `${url}?sslmode=verify-full&sslrootcert=${files.authority}`;
    const redisUrl = (host: string) => `rediss://wiq:secret@${host}:${redisPort}`;

    /** Break it: in `redisOptions`, leave `tls` out; in the URL, say `sslmode=disable`. */
    it('import as without it, over encrypted connections only', async () => {
      const database = await migratedDatabase((name) => primary.urlOf(name));
      site = await Site.open({}, database);
      const environment = {
        DATABASE_URL: withTls(database.url),
        REDIS_URL: redisUrl('127.0.0.1'),
        NODE_EXTRA_CA_CERTS: files.authority,
      };
      const client = await site.client(site.start('api', environment));
      await site.start('worker', environment).ready();
      await site.send(client, 2_000, { sendFailureEmailTo: 'failed@example.org' });
      expect(await site.problems()).toEqual([]);
      const { total, encrypted } = (
        await primary.ask<{ total: number; encrypted: number }>(
          `SELECT count(*)::int AS total, count(*) FILTER (WHERE ssl)::int AS encrypted
           FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'workflow-import-queue'`,
        )
      )[0]!;
      expect(total).toBeGreaterThan(0);
      expect(encrypted).toBe(total);
      expect((await client.get('/health/ready')).body.checks.redis).toEqual({ status: 'up' });
    });

    /** Break it: in docs/operations.md, leave out `client_max_body_size`. */
    (HAS_NGINX ? it : it.skip)(
      'serve callers through nginx as docs/operations.md configures it',
      async () => {
        const port = await freePort();
        const upstream = new URL(await site.start('all', { PUBLIC_URL: 'https://127.0.0.1' }).ready());
        const page = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8');
        const server = /^```nginx\n([^]*?)^```/m
          .exec(page)![1]!
          .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
          .replace('/etc/ssl/imports.pem', files.certificate)
          .replace('/etc/ssl/imports.key', files.key)
          .replace('127.0.0.1:3000', upstream.host);
        const settings = join(directory, 'nginx.conf');
        const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
        for (const folder of folders) mkdirSync(join(directory, folder));
        writeFileSync(
          settings,
          `daemon off; user root; pid ${directory}/nginx.pid; error_log stderr;\nevents {}\nhttp { access_log off;\n` +
            `${folders.map((folder) => `${folder}_temp_path ${directory}/${folder};`).join('\n')}\n${server}}`,
        );
        const nginx = spawn('nginx', ['-c', settings], { stdio: 'ignore' });
        try {
          const agent = new Agent({ ca: readFileSync(files.authority), keepAlive: true });
          const call = (method: string, path: string, body?: string) =>
            new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
              (resolve, reject) => {
                const headers = {
                  authorization: `apikey ${TEST_API_KEY}`,
                  ...(body !== undefined && { 'content-type': 'application/jsonl' }),
                };
                const sent = request({ host: '127.0.0.1', port, method, path, headers, agent }, (answer) => {
                  let text = '';
                  answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
                  answer.on('end', () =>
                    resolve({ status: answer.statusCode!, headers: answer.headers, text }),
                  );
                });
                sent.on('error', reject).end(body);
              },
            );
          await eventually(() => call('GET', '/health/live').catch(() => null), 'nginx to answer');
          // More than nginx takes unless it is told otherwise (1 MB).
          const body = newMembers(20_000);
          const accepted = await call('POST', site.createPath(), body.text);
          expect(accepted.status).toBe(202);
          const { id } = site.noteAccepted(
            Number(JSON.parse(accepted.text).WORKFLOW_IMPORT_QUEUE_BATCH_ID),
            body,
          );
          expect(await site.problems()).toEqual([]);
          const events = await call('GET', `/API/WorkflowImportQueue/Batches/${id}/Events`);
          expect(events.text).toContain('event: status');
          const { headers } = await call('GET', '/login');
          expect(headers['strict-transport-security']).toMatch(/max-age/);
        } finally {
          nginx.kill('SIGTERM');
          await once(nginx, 'exit');
        }
      },
    );

    /** Break it: say `sslmode=require` (`no-verify`). */
    it('refuse certificates that are for another host or of an unknown authority, and say so', async () => {
      const url = withTls(primary.urlOf('wiq'));
      const wrongHost = site.start('api', { DATABASE_URL: url.replace('127.0.0.1', 'localhost') });
      await eventually(
        () => wrongHost.output.includes("does not match certificate's altnames"),
        'the reason',
      );
      await wrongHost.kill();
      const unknown = site.start('api', { DATABASE_URL: url, REDIS_URL: redisUrl('127.0.0.1') });
      await unknown.url();
      const { body } = await unknown.readiness();
      expect(body).toContain('"redis":{"status":"degraded"');
      await eventually(() => /self-signed certificate|unable to verify/.test(unknown.output), 'the reason');
    });
  },
);
