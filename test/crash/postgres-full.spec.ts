import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';
import { Upload } from './support/upload.js';

describe('while PostgreSQL has no connection left', () => {
  let site: Site;
  let api: ServiceProcess;
  let worker: ServiceProcess;
  let client: ImportClient;
  const role = `wiq_limited_${randomBytes(4).toString('hex')}`;

  beforeAll(async () => {
    site = await Site.open();
    // Superusers are not counted, so the service connects as another user.
    await site.observer.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'of-the-test'`);
    await site.observer.client.query(
      `GRANT ALL ON ALL TABLES IN SCHEMA public, witness TO ${role};
       GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role}; GRANT USAGE ON SCHEMA witness TO ${role}`,
    );
    const url = new URL(site.database.url);
    url.username = role;
    url.password = 'of-the-test';
    api = site.start('api', { DATABASE_URL: url.toString() });
    worker = site.start('worker', { DATABASE_URL: url.toString() });
    client = await site.client(api);
    await worker.ready();
  });
  afterAll(async () => {
    await site.observer.client.query(`DROP OWNED BY ${role}`).catch(() => undefined);
    await site.close();
    const administrator = new Client({ connectionString: process.env.DATABASE_URL });
    await administrator.connect();
    await administrator.query(`DROP ROLE IF EXISTS ${role}`);
    await administrator.end();
  });

  const limit = (connections: number) =>
    site.observer.client.query(`ALTER ROLE ${role} CONNECTION LIMIT ${connections}`);
  /** Existing connections end, because a limit applies to new ones only. */
  const allow = async (connections: number) => {
    await limit(connections);
    await site.observer.client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
    );
  };

  /** Break it: take 53300 out of `TEMPORARY_STATES`. */
  it('callers get 503, and running batches complete once connections are free again', async () => {
    await site.send(client, 8_000);
    await eventually(async () => (await site.observer.done()) > 400, 'some records to be done');
    await allow(0);
    const upload = new Upload(await api.url(), site.createPath());
    await upload.send(newMembers(10).text);
    const answer = await upload.finish();
    expect(answer).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect((await worker.readiness()).status).toBe(503);

    // Fewer than the pools want, so they share them.
    await allow(6);
    await eventually(async () => (await api.readiness()).status === 200, 'a connection for the API');
    expect(await site.problems()).toEqual([]);
    await limit(-1);
    await site.send(client, 1_000);
    expect(await site.problems()).toEqual([]);
    // Nothing of it counts against the records.
    expect(
      await site.observer.number(`SELECT count(*) FROM import_queue_record WHERE status = 'failed'`),
    ).toBe(0);
    expect([api.alive, worker.alive]).toEqual([true, true]);
  });
});

/** A disk of a few MB, which needs root and a PostgreSQL on this machine. If it cannot be made, answers why. */
function smallDisk(dataDirectory: string): { path: string; remove(): void } | string {
  if (process.getuid?.() !== 0) return 'only root can mount a small disk';
  if (!existsSync(dataDirectory)) return `PostgreSQL is not on this machine (${dataDirectory})`;
  const path = mkdtempSync(join(tmpdir(), 'wiq-small-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', path], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    rmdirSync(path);
    return `a small disk cannot be mounted: ${mounted.stderr?.trim()}`;
  }
  const { uid, gid } = statSync(dataDirectory);
  chownSync(path, uid, gid);
  return {
    path,
    remove: () => {
      spawnSync('umount', ['-l', path]);
      rmdirSync(path);
    },
  };
}

describe('while the disk of PostgreSQL is full', () => {
  let site: Site;
  let disk: ReturnType<typeof smallDisk>;
  const tablespace = `wiq_small_${randomBytes(4).toString('hex')}`;

  beforeAll(async () => {
    site = await Site.open();
    const [{ directory } = { directory: '' }] = await site.observer.rows<{ directory: string }>(
      `SELECT current_setting('data_directory') AS directory`,
    );
    disk = smallDisk(directory);
    if (typeof disk !== 'string') {
      await site.observer.client.query(`CREATE TABLESPACE ${tablespace} LOCATION '${disk.path}'`);
    }
  });
  afterAll(async () => {
    await site.close();
    if (typeof disk === 'string') return;
    const administrator = new Client({ connectionString: process.env.DATABASE_URL });
    await administrator.connect();
    await administrator.query(`DROP TABLESPACE ${tablespace}`);
    await administrator.end();
    disk.remove();
  });

  const moveTo = async (table: string, place: string) => {
    await site.observer.client.query(`ALTER TABLE ${table} SET TABLESPACE ${place}`);
  };

  /** Break it: take 53100 out of `TEMPORARY_STATES`; in `faultKind`, take 53100 for a `data` fault. */
  it('a body is refused whole (503), chunks wait, and everything completes once the disk has room', async () => {
    if (typeof disk === 'string') {
      console.warn(`skipped: ${disk}`);
      return;
    }
    const api = site.start('api');
    const client = await site.client(api);
    // The partition of the first batches.
    await moveTo('import_queue_line_p0', tablespace);
    const upload = new Upload(await api.url(), site.createPath());
    await upload.send(newMembers(60_000).text);
    expect(await upload.finish()).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    expect(await site.problems()).toEqual([]);
    await moveTo('import_queue_line_p0', 'pg_default');

    await moveTo('workflow_instance', tablespace);
    await site.send(client, newMembers(30_000));
    const worker = site.start('worker');
    await eventually(
      () =>
        site.observer.number(
          `SELECT count(*) FROM import_queue_chunk WHERE last_error LIKE '%No space left%'`,
        ),
      'a chunk to find the disk full',
      40_000,
    );
    expect(
      await site.observer.number(`SELECT count(*) FROM import_queue_record WHERE status = 'failed'`),
    ).toBe(0);
    await moveTo('workflow_instance', 'pg_default');
    expect(await site.problems(90_000)).toEqual([]);
    // A full disk is a fault of the environment: chunks count their attempts, and no record fails.
    expect(
      await site.observer.number(`SELECT count(*) FROM import_queue_record WHERE status = 'failed'`),
    ).toBe(0);
    expect([api.alive, worker.alive]).toEqual([true, true]);
  });
});
