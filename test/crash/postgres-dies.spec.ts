import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';
import { Upload } from './support/upload.js';

describe('while PostgreSQL ends the connections of the service', () => {
  let site: Site;
  let api: ServiceProcess;
  let client: ImportClient;

  beforeAll(async () => {
    site = await Site.open();
    api = site.start('api');
    client = await site.client(api);
  });
  afterAll(() => site.close());

  const endConnections = () =>
    site.observer.number(
      `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'workflow-import-queue'`,
    );

  /**
   * Break it: in `toProblem`, leave out `isDatabaseUnavailable`; in `BatchWriter.writeRows`, leave out
   * `throwIfFailed` (then it fails now and then).
   */
  it.each(['while the body is being written', 'before the body is'])(
    '%s, the caller gets 503 with Retry-After, or everything is stored',
    async (when) => {
      const body = newMembers(30_000);
      const upload = new Upload(api && (await api.url()), site.createPath());
      const sent = when.startsWith('while') ? body.text.length / 2 : 1_000;
      await upload.send(body.text.slice(0, sent));
      if (when.startsWith('while')) {
        await eventually(
          () =>
            site.observer.number(
              `SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
                  AND query ~ 'COPY import_queue_line|INSERT INTO import_queue_chunk'`,
            ),
          'the body to be written',
        );
      }
      // After the end of all of them, the pool may not have a new one yet.
      await eventually(endConnections, 'a connection to end');
      await upload.send(body.text.slice(sent));
      const answer = await upload.finish();
      // Before, nothing of it was in the database: it may well be stored on a new connection.
      if (answer.status === 202 && !when.startsWith('while')) {
        site.noteAccepted(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, body);
      } else {
        expect(answer).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      }
      expect(api.alive).toBe(true);
    },
  );

  /** Break it: in `faultKind`, never answer `transient` (what PostgreSQL does then counts against the records). */
  it('repeatedly in the middle of chunks, a batch completes', async () => {
    const worker = site.start('worker');
    await worker.ready();
    await site.send(client, 60_000);
    for (let time = 1; time <= 4; time += 1) {
      const before = await site.observer.done();
      await eventually(async () => (await site.observer.done()) > before + 300, 'some records to be done');
      await endConnections();
    }
    expect(await site.problems(150_000)).toEqual([]);
    const counted = 'SELECT chunk_number, attempts, last_error FROM import_queue_chunk WHERE attempts > 0';
    expect(await site.observer.rows(counted)).toEqual([]);
    expect([api.alive, worker.alive]).toEqual([true, true]);
  }, 180_000);
});
