import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImportClient } from '../support/import-client.js';
import type { ServiceProcess } from '../crash/support/service-process.js';
import { Site } from '../crash/support/site.js';

jest.setTimeout(300_000);

const ROOT = join(__dirname, '../..');

/**
 * The commit of 0.2.0-rc.1 that CHANGELOG.md names, from which on upgrades need no stop. Until there is one, the last commit
 * before the work on upgrades. HA_OLD_COMMIT names another.
 */
const OLD =
  process.env.HA_OLD_COMMIT ??
  /## \[?0\.2\.0-rc\.1\]?[^\n]*\n(?:[^#]*?)commit `?([0-9a-f]{7,40})/i.exec(
    readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'),
  )?.[1] ??
  '75455a1e';

const git = (...args: string[]) => spawnSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' });
/** A clone without history cannot show an old version. */
const HAS_OLD = git('cat-file', '-e', `${OLD}^{commit}`).status === 0;

/** The program of that commit, built with the present packages. */
function buildOld(directory: string): string {
  const archive = spawnSync('sh', ['-c', `git -C '${ROOT}' archive ${OLD} | tar -x -C '${directory}'`], {
    encoding: 'utf8',
  });
  if (archive.status !== 0) throw new Error(`${OLD} cannot be read: ${archive.stderr}`);
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const nest = join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [nest, 'build'], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${OLD} cannot be built:\n${stdout}${stderr}`);
  return join(directory, 'dist/main.js');
}

(HAS_OLD ? describe : describe.skip)(
  `the version of ${OLD} beside this one, on the schema of this one`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'wiq-ha-old-'));
    let old: string;
    let site: Site;

    beforeAll(() => {
      old = buildOld(directory);
      expect(existsSync(old)).toBe(true);
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
    const importAll = async (client: ImportClient, records: number) => {
      await site.send(client, records, {
        sendSuccessEmailTo: 'done@example.org',
        sendFailureEmailTo: 'x@example.org',
      });
    };

    /** Break it: in a migration, rename a column that the old version writes, and leave `compatible_from` as it is. */
    it('its worker processes what this API takes in, or says that it does not fit', async () => {
      const client = await site.client(site.start('api'));
      const oldWorker = site.start('worker', {}, old);
      const admitted = await isAdmitted(oldWorker);
      await importAll(client, 3_000);
      if (!admitted) {
        process.stdout.write(`upgrade: the schema excludes ${OLD}, and its worker says so\n`);
        expect(await site.observer.done()).toBe(0);
        await site.start('worker').ready();
      }
      expect(await site.problems()).toEqual([]);
      process.stdout.write(`upgrade: old worker, new API: ${admitted ? 'processed' : 'refused'}\n`);
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
        `upgrade: old API and new worker, and both workers: ${admitted ? 'processed' : 'refused'}\n`,
      );
    });
  },
);
