import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Site } from '../crash/support/site.js';
import { createEmptyDatabase, type TestDatabase } from '../support/test-database.js';

jest.setTimeout(600_000);

const ROOT = join(__dirname, '../..');
/** The last stage of the Dockerfile: what an installation consists of. */
const STAGE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  .split(/^FROM /m)
  .at(-1)!;

describe('an installation without development packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wiq-production-'));
  let database: TestDatabase;
  let site: Site | undefined;

  const npm = (...args: string[]) =>
    promisify(execFile)('npm', args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: database?.url },
    });

  beforeAll(async () => {
    for (const [, sources = '', target = ''] of STAGE.matchAll(/^COPY (?:--from=build )?(.+) (\S+)$/gm)) {
      for (const source of sources.split(' ').map((each) => each.replace('/build/', ''))) {
        if (source === 'node_modules') continue;
        const name = target.endsWith('/') ? join(target, basename(source)) : target;
        cpSync(join(ROOT, source), join(folder, name), { recursive: true });
      }
    }
    cpSync(join(ROOT, 'package-lock.json'), join(folder, 'package-lock.json'));
    await npm('ci', '--omit=dev', '--no-audit', '--no-fund');
    database = await createEmptyDatabase();
  });
  afterAll(async () => {
    await (site?.close() ?? database?.drop());
    rmSync(folder, { recursive: true, force: true });
  });

  /** Break it: in the Dockerfile, leave out the scripts; in package.json, make a package that `src` needs one of development. */
  it('migrates an empty database, imports a batch, and is examined', async () => {
    const { stdout } = await npm('run', 'migration:run');
    expect(stdout).toContain('Applied: ');
    site = await Site.open({}, database);
    const client = await site.client(site.start('all', {}, join(folder, 'dist/main.js')));
    await site.send(client, 100);
    expect(await site.problems()).toEqual([]);
    expect((await npm('run', 'doctor')).stdout).toContain('All is well');
  });
});
