import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, type RunningProcess } from '../../dev/embedded/running-process.js';
import { ChildProgram } from '../support/child-program.js';
import { createEmptyDatabase } from '../support/test-database.js';

const MAIN = 'src/main.ts';
const QUICKSTART = 'dev/quickstart/quickstart.ts';
const ADDRESS = /(http:\/\/localhost:\d+)\/imports/;
const STACK = /\n\s+at /;

// Each test compiles and starts up to three programs, some with servers of their own.
jest.setTimeout(300_000);

describe('the process', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'wiq-process-'));
    await chmod(dataDir, 0o755);
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  const start = (environment: Record<string, string> = {}) =>
    new ChildProgram(MAIN, [], {
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: process.env.DATABASE_URL!,
      REDIS_URL: process.env.REDIS_URL!,
      ...environment,
    });

  describe('started as quickstart, with nothing set', () => {
    it.each(['SIGTERM', 'SIGINT'] as const)(
      'prints its address, is ready, and on %s ends with code 0 and leaves no server behind',
      async (signal) => {
        const program = new ChildProgram(QUICKSTART, [], { DATA_DIR: dataDir });
        const url = await program.prints(ADDRESS);
        expect((await fetch(`${url}/health/ready`)).status).toBe(200);
        const servers = await Promise.all(
          ['postgres', 'redis'].map(
            async (name) =>
              JSON.parse(await readFile(join(dataDir, `${name}.process.json`), 'utf8')) as RunningProcess,
          ),
        );
        expect(servers.map(isAlive)).toEqual([true, true]);
        const doctor = new ChildProgram('src/operations/doctor/main.ts', ['--quick'], { DATA_DIR: dataDir });
        expect(await doctor.end()).toBe(0);
        expect(doctor.output).toContain('All is well');
        expect(await program.end(signal)).toBe(0);
        expect(servers.map(isAlive)).toEqual([false, false]);
      },
    );
  });

  describe('that cannot start', () => {
    it('names every invalid variable, without a stack, and exits with code 1', async () => {
      const program = start({
        PORT: 'eighty',
        CHUNK_SIZE: '0',
        DATABASE_URL: '',
        REDIS_URL: '',
      });
      expect(await program.end()).toBe(1);
      for (const name of ['PORT', 'DATABASE_URL', 'REDIS_URL', 'CHUNK_SIZE']) {
        expect(program.output).toMatch(new RegExp(`^  - ${name} must`, 'm'));
      }
      expect(program.output).not.toMatch(STACK);
    });

    it('names the servers that it needs, and the command that does without them', async () => {
      const program = start({ DATABASE_URL: '', REDIS_URL: '' });
      expect(await program.end()).toBe(1);
      expect(program.output).toMatch(/^ {2}- DATABASE_URL must be set\. .*npm run quickstart/m);
      expect(program.output).toMatch(/^ {2}- REDIS_URL must be set\. .*npm run quickstart/m);
    });

    it('reports that its port is taken, and which variable changes it', async () => {
      const other: Server = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      try {
        const program = start({ PORT: String(port) });
        expect(await program.end()).toBe(1);
        expect(program.output).toContain(`Port ${port} on 127.0.0.1 is taken by another program: set PORT`);
      } finally {
        other.close();
      }
    });

    it('names the command that makes the tables, where it finds none and must not make them', async () => {
      const database = await createEmptyDatabase();
      try {
        const program = start({ DATABASE_URL: database.url, MIGRATE_ON_START: 'false' });
        expect(await program.end()).toBe(1);
        expect(program.output).toContain('The database has no tables yet. Run npm run migration:run');
        expect(program.output).not.toMatch(STACK);
      } finally {
        await database.drop();
      }
    });

    it('explains why the database cannot be migrated', async () => {
      const database = await createEmptyDatabase(
        "LOCALE_PROVIDER libc ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
      );
      try {
        const program = new ChildProgram('src/app/migrate.ts', ['run'], { DATABASE_URL: database.url });
        expect(await program.end()).toBe(1);
        expect(program.output).toContain('The database could not be migrated: ');
        expect(program.output).not.toMatch(STACK);
      } finally {
        await database.drop();
      }
    });

    it('names the database that refuses it, without the password', async () => {
      const url = new URL(process.env.DATABASE_URL!);
      url.username = 'unknown_user';
      url.password = 'hunter2';
      const program = start({ DATABASE_URL: url.href, REDIS_URL: process.env.REDIS_URL! });
      expect(await program.end()).toBe(1);
      expect(program.output).toMatch(
        /PostgreSQL at postgres:\/\/unknown_user@.* cannot be used: .*Check DATABASE_URL/,
      );
      expect(program.output).not.toContain('hunter2');
      expect(program.output).not.toMatch(STACK);
    });
  });

  describe('started as quickstart --once', () => {
    it('imports the example, exits with code 0, and can be run again', async () => {
      const quickstart = () => new ChildProgram(QUICKSTART, ['--once'], { DATA_DIR: dataDir });
      const first = quickstart();
      expect(await first.end()).toBe(0);
      expect(first.output).toContain(
        'Import 4 of members.jsonl ended as completed_with_errors: 1000 records, ' +
          '979 succeeded (967 created, 12 updated, 0 unchanged), 3 failed, 18 invalid.',
      );
      const second = quickstart();
      expect(await second.end()).toBe(0);
      expect(second.output).toContain('Import 5 of members.jsonl');
      expect(second.output).toContain('(0 created, 24 updated, 955 unchanged)');
    });
  });
});
