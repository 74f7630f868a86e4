import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/app/database.js';
import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { createEmptyDatabase } from '../support/test-database.js';
import { newMembers } from '../crash/support/members.js';
import { Observer } from '../crash/support/observer.js';
import type { ServiceProcess } from '../crash/support/service-process.js';
import { Site } from '../crash/support/site.js';

jest.setTimeout(300_000);

const ROOT = join(__dirname, '../..');

/** Its processes know nothing of `compatible_from`, so the schema itself refuses what they write. */
const RELEASE_0_1_0 = '7973f6d';
/** The release candidate, from which on upgrades need no stop, as the section 0.2.0-rc.1 of CHANGELOG.md names its commit. */
const CANDIDATE = process.env.HA_OLD_COMMIT ?? candidateIn(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'));

/** While the changelog names none, a commit of before the candidate. */
function candidateIn(changelog: string): string {
  const section = /^## \[?0\.2\.0-rc\.1\b.*?(?=^## |$(?![^]))/ms.exec(changelog)?.[0] ?? '';
  return /\bcommit `?([0-9a-f]{7,40})\b/i.exec(section)?.[1] ?? '965f092';
}

const git = (...args: string[]) => spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
/** A clone without history cannot show an old version. */
const describeIf = (commit: string) =>
  git('cat-file', '-e', `${commit}^{commit}`).status === 0 ? describe : describe.skip;

/** The program of that commit, built with the present packages. */
function buildOld(commit: string, directory: string): string {
  const archive = spawnSync('sh', ['-c', `git -C '${ROOT}' archive ${commit} | tar -x -C '${directory}'`], {
    encoding: 'utf8',
  });
  if (archive.status !== 0) throw new Error(`${commit} cannot be read: ${archive.stderr}`);
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [nest, 'build'], {
    cwd: directory,
    encoding: 'utf8',
  });
  const program = join(directory, 'dist/main.js');
  if (status !== 0 || !existsSync(program)) {
    throw new Error(`${commit} cannot be built:\n${stdout}${stderr}`);
  }
  return program;
}

const MAILS = { sendSuccessEmailTo: 'done@example.org', sendFailureEmailTo: 'x@example.org' };

describeIf(CANDIDATE)(`the version of ${CANDIDATE} beside this one, on the schema of this one`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'wiq-ha-old-'));
  let old: string;
  let site: Site;

  beforeAll(() => {
    old = buildOld(CANDIDATE, directory);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(async () => {
    site = await Site.open();
  });
  afterEach(() => site.close());

  /** Whether the schema admits that version (`compatible_from`): what it promises, and so what must hold. */
  const isAdmitted = async (process: ServiceProcess) => {
    await process.url();
    const { body } = await process.readiness();
    return !body.includes('the schema is for version');
  };
  const importAll = (client: ImportClient, records: number) => site.send(client, records, MAILS);

  /** Break it: in a migration, rename a column that the old version writes, and leave `compatible_from` as it is. */
  it('its worker processes what this API takes in, or says that it does not fit', async () => {
    const client = await site.client(site.start('api'));
    const oldWorker = site.start('worker', {}, old);
    const admitted = await isAdmitted(oldWorker);
    await importAll(client, 3_000);
    if (!admitted) {
      expect(await site.observer.done()).toBe(0);
      await site.start('worker').ready();
    }
    expect(await site.problems()).toEqual([]);
    process.stdout.write(
      `upgrade: worker of ${CANDIDATE}, this API: ${admitted ? 'processed' : 'refused'}\n`,
    );
  });

  it('this worker processes what its API takes in, and both workers share the work of a batch', async () => {
    // This API creates the import process, so that the old one only takes in.
    const newClient = await site.client(site.start('api'));
    const oldApi = site.start('api', {}, old);
    const admitted = await isAdmitted(oldApi);
    const oldClient = admitted ? await site.client(oldApi) : newClient;
    const workers = [site.start('worker'), site.start('worker', {}, old)];
    await workers[0]!.ready();
    if (admitted) await workers[1]!.ready();
    for (let time = 0; time < 3; time += 1) {
      await importAll(oldClient, 4_000);
      await importAll(newClient, 4_000);
    }
    // The rolling upgrade itself: the old processes go while batches run.
    workers[1]!.signal('SIGTERM');
    expect((await workers[1]!.ended()).signal ?? 'exited').not.toBe('SIGKILL');
    expect(await site.problems(120_000)).toEqual([]);
    process.stdout.write(
      `upgrade: API of ${CANDIDATE}, this worker, and both workers: ${admitted ? 'processed' : 'refused'}\n`,
    );
  });
});

describeIf(RELEASE_0_1_0)('processes of 0.1.0 that nobody stopped', () => {
  const directory = mkdtempSync(join(tmpdir(), 'wiq-ha-old-'));
  let site: Site;

  afterAll(async () => {
    await site?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Break it: leave the trigger of import_queue_chunk out of `RefuseFormerPrograms1767131500000`. */
  it('consume nothing after the migration, and this version ends what they had begun', async () => {
    const old = buildOld(RELEASE_0_1_0, directory);
    const database = await createEmptyDatabase();
    site = await Site.open({ SESSION_SECRET: 'of-all-processes-of-the-test' }, database, 'restored');
    const before = [
      site.start('api', { MIGRATE_ON_START: 'true' }, old),
      site.start('worker', { MIGRATE_ON_START: 'true' }, old),
    ];
    const oldClient = await site.client(before[0]!);
    await before[1]!.ready();
    await site.send(oldClient, 20_000, MAILS);
    await eventually(async () => (await site.observer.done()) > 1_000, 'some records to be done');
    await before[1]!.kill();
    // Nobody processes it, so it is whole when the migration comes.
    await site.send(oldClient, 2_000, MAILS);
    const begun = await site.observer.done();
    await migrate({ databaseUrl: database.url, databasePoolSize: 4 });
    await site.observer.end();
    site.observer = await Observer.watch(database.url);

    const client = await site.client(site.start('api'));
    const { id: sent } = await site.send(client, 1_000, MAILS);
    await eventually(
      () =>
        site.observer.number(
          `SELECT count(*) FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1 AND state = 'queued'`,
          [sent],
        ),
      'the API to queue the chunks',
    );
    const state = async () => {
      const chunks = await site.observer.rows(
        'SELECT * FROM import_queue_chunk ORDER BY workflow_import_queue_batch_id, chunk_number',
      );
      const others = [
        'import_queue_batch',
        'outbox',
        'import_queue_outcome',
        'workflow_instance',
        'workflow_log',
      ];
      const hashes = await site.observer.rows(
        others
          .map(
            (part) =>
              `SELECT '${part}' AS part, count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM ${part} t`,
          )
          .join(' UNION ALL '),
      );
      return { chunks, hashes };
    };
    const untouched = await state();
    // Chunks of the first batch still have their jobs in its queue.
    const after = site.start('worker', {}, old);
    const refusals = () => after.output.split('this database is for version 0.2.0 and later').length - 1;
    await eventually(() => refusals() >= 20, 'the worker of 0.1.0 to be refused', 60_000);
    const answer = await oldClient.post(site.createPath(), newMembers(10).text, {
      'content-type': 'application/jsonl',
    });
    expect(answer.status).toBe(503);
    expect(await state()).toEqual(untouched);

    await site.start('worker').ready();
    expect(await site.problems(120_000)).toEqual([]);
    expect(after.alive).toBe(true);
    process.stdout.write(
      `upgrade: 0.1.0 had processed ${begun} records, was refused ${refusals()} times, and all ended\n`,
    );
  });
});
