import { eventually } from '../support/eventually.js';
import { type Body, newMembers } from './support/members.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';
import { Upload } from './support/upload.js';

/** Several times the size that is collected before the transaction begins, so that the first part is already in a COPY. */
const LARGE = 30_000;

const half = ({ text }: Body) => text.slice(0, text.length / 2);

describe('a request that was not answered 202', () => {
  let site: Site;
  let api: ServiceProcess;

  beforeAll(async () => {
    site = await Site.open();
    api = site.start('all');
    // So that the database is not the untouched one.
    await site.send(await site.client(api), 100);
  });
  afterAll(() => site.close());

  /** The transaction of a half-sent body is open: it has written records that no one else sees. */
  const untilWriting = () =>
    eventually(
      () =>
        site.observer.number(
          `SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
              AND state = 'active' AND query LIKE '%COPY import_queue_line%'`,
        ),
      'the body to be written',
    );

  const untilNoTransaction = () =>
    eventually(
      async () =>
        (await site.observer.number(
          `SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
              AND query ~ 'import_queue_(record|batch|chunk)'`,
        )) === 0,
      'the transaction to be over',
    );

  /**
   * Break it: in `BatchWriter.abort`, end the COPY instead of destroying it, and in `DatabaseService.transaction`
   * commit instead of rolling back.
   */
  it('leaves nothing if the client went away in the middle', async () => {
    const body = newMembers(LARGE);
    const upload = new Upload(await api.url(), site.createPath());
    await upload.send(half(body));
    await untilWriting();
    upload.disconnect();
    await untilNoTransaction();
    expect(await site.problems()).toEqual([]);
    expect((await api.readiness()).status).toBe(200);
  });

  /** Break it: at the end of `BatchWriter.write`, commit and begin again. */
  it('leaves nothing if its process was killed (kill -9) in the middle', async () => {
    const body = newMembers(LARGE);
    const upload = new Upload(await api.url(), site.createPath());
    await upload.send(half(body));
    await untilWriting();
    await api.kill();
    await expect(upload.answer).rejects.toThrow();
    await untilNoTransaction();

    api = site.start('all');
    await api.ready();
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: at the end of `BatchWriter.write`, commit and begin again. */
  it('leaves nothing if its process was killed just before the commit, and can be sent again', async () => {
    const doomed = site.start('api', { FAULT_POINTS: 'intake.before-commit:kill' });
    const url = await doomed.ready();
    const body = newMembers(2_000);
    const upload = new Upload(url, site.createPath(), { 'idempotency-key': 'killed-before-the-commit' });
    await upload.send(body.text);
    await expect(upload.finish()).rejects.toThrow();
    expect(await doomed.ended()).toMatchObject({ signal: 'SIGKILL' });
    await untilNoTransaction();
    expect(await site.problems()).toEqual([]);

    // Ten seconds pass: a call that died blocks its key for that long.
    await site.observer.rows(`UPDATE idempotency_key SET locked_until = now() WHERE response IS NULL`);
    const again = new Upload(await api.url(), site.createPath(), {
      'idempotency-key': 'killed-before-the-commit',
    });
    await again.send(body.text);
    const { status, body: answer } = await again.finish();
    expect(status).toBe(202);
    site.noteAccepted(answer.WORKFLOW_IMPORT_QUEUE_BATCH_ID, body);
    expect(await site.problems()).toEqual([]);
  });

  /**
   * Nobody can have both: a commit and its answer. What was committed is whole, is processed, and is answered to whom
   * asks again with the same key. Break it: in `ImportQueueService.store`, complete the key after the transaction.
   */
  it('is complete if its process was killed just after the commit, and answered when sent again', async () => {
    const headers = { 'idempotency-key': 'killed-after-the-commit' };
    const doomed = site.start('api', { FAULT_POINTS: 'intake.after-commit:kill' });
    const url = await doomed.ready();
    const body = newMembers(2_000);
    const upload = new Upload(url, site.createPath(), headers);
    await upload.send(body.text);
    await expect(upload.finish()).rejects.toThrow();

    const again = new Upload(await api.url(), site.createPath(), headers);
    await again.send(body.text);
    const answer = await again.finish();
    expect(answer).toMatchObject({ status: 202, headers: { 'idempotency-replayed': 'true' } });
    site.noteAccepted(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID, body);
    expect(await site.problems()).toEqual([]);
  });
});
