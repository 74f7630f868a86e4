import { join } from 'node:path';
import {
  migratedDatabase,
  openDirectory,
  POSTGRES_BIN,
  PostgresNode,
  run,
} from './support/postgres-nodes.js';
import { rmSync } from 'node:fs';
import { Site } from '../crash/support/site.js';
import { eventually } from '../support/eventually.js';

jest.setTimeout(300_000);

const MAIL = { sendSuccessEmailTo: 'done@example.org', sendFailureEmailTo: 'failed@example.org' };

(POSTGRES_BIN === undefined ? describe.skip : describe)(
  'a backup that was taken while batches were processed',
  () => {
    let source: PostgresNode;
    let target: PostgresNode;
    let site: Site;
    let restored: Site;
    const directory = POSTGRES_BIN === undefined ? '' : openDirectory();

    afterAll(async () => {
      await restored?.close();
      await site?.close();
      await target?.close();
      await source?.close();
      rmSync(directory, { recursive: true, force: true });
    });

    /**
     * Break it: in `Reconciler.reconcile`, leave out `requeueLost`: the new Redis is empty, and no one queues the chunks again.
     */
    it('is restored into another server with an empty Redis, and all batches in it end there', async () => {
      source = await PostgresNode.primary();
      site = await Site.open({}, await migratedDatabase((name) => source.urlOf(name)));
      const client = await site.client(site.start('api'));
      await site.start('worker').ready();
      for (let sent = 0; sent < 6; sent += 1) await site.send(client, 6_000, MAIL);
      const inBackup = [...site.accepted];
      await eventually(async () => (await site.observer.done()) > 4_000, 'some records to be done');
      const file = join(directory, 'backup');
      run(join(POSTGRES_BIN!, 'pg_dump'), ['-Fc', '-f', file, '-d', site.database.url]);
      // What comes after the backup is lost with it, and must not show there.
      await site.send(client, 100);
      expect(await site.problems(180_000)).toEqual([]);

      target = await PostgresNode.primary();
      await target.ask('CREATE DATABASE wiq');
      const url = target.urlOf('wiq');
      run(join(POSTGRES_BIN!, 'pg_restore'), ['--exit-on-error', '-d', url, file]);
      restored = await Site.open({}, { url, name: 'wiq', drop: () => Promise.resolve() }, 'restored');
      const done = await restored.observer.done();
      expect(done).toBeGreaterThan(4_000);
      expect(done).toBeLessThan(36_000);
      restored.accepted.push(...inBackup);
      const again = await restored.client(restored.start('api'));
      await restored.start('worker').ready();
      expect(await restored.problems(180_000)).toEqual([]);
      await restored.send(again, 100);
      expect(await restored.problems()).toEqual([]);
      process.stdout.write(`backup: taken after ${done} of 36000 records; all ended after the restore\n`);
    });
  },
);
