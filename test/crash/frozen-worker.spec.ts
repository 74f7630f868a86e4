import { eventually } from '../support/eventually.js';
import { newMembers } from './support/members.js';
import { Site } from './support/site.js';
import { Upload } from './support/upload.js';

/** For the frozen worker only; a minute unless it is set. */
const PATIENCE = { DATABASE_IDLE_TRANSACTION_MS: '1500' };

describe('a worker that is frozen (SIGSTOP) in the middle of a chunk', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  /**
   * The lock of a chunk is that of its row, and dies with the transaction; who thaws afterwards cannot commit. Break
   * it: set no idle_in_transaction_session_timeout (the others then wait forever).
   */
  it('loses the chunk to another worker, and has no effect after SIGCONT', async () => {
    const client = await site.client(site.start('api'));
    const frozen = site.start('worker', { ...PATIENCE, FAULT_POINTS: 'chunk.before-commit:stop@3' });
    await frozen.ready();
    await site.send(client, 3_000);
    await frozen.stopped();

    const other = site.start('worker');
    await other.ready();
    expect(await site.problems()).toEqual([]);

    // Everything it was running has ended by now, including its last log lines.
    frozen.signal('SIGCONT');
    await frozen.ready();
    await site.send(client, 1_000);
    expect(await site.problems()).toEqual([]);
    expect(frozen.alive).toBe(true);

    frozen.signal('SIGTERM');
    expect(await frozen.ended()).toEqual({ code: 0, signal: null });
    expect(await site.problems()).toEqual([]);
  });
});

describe('a process that is frozen (SIGSTOP)', () => {
  let site: Site;

  beforeEach(async () => {
    site = await Site.open();
  });
  afterEach(() => site.close());

  /** Break it: in `Reconciler.reconcile`, leave out `endFrozenCopies`. */
  it('in the middle of a body loses its transaction, which COPY hides from the limit of idle transactions', async () => {
    const api = site.start('api', PATIENCE);
    await site.client(api);
    const upload = new Upload(await api.url(), site.createPath());
    await upload.send(newMembers(30_000).text);
    const copies = () =>
      site.observer.number(
        `SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY import_queue_line%' AND wait_event = 'ClientRead'`,
      );
    // A process that finds no time to write for a while ends its COPY, and begins another one with the next rows.
    await eventually(async () => {
      if ((await copies()) > 0) return true;
      await upload.send(newMembers(3_000).text);
      return false;
    }, 'the COPY of the body to begin');
    api.signal('SIGSTOP');

    site.start('worker', { RECEIVE_IDLE_MS: '1000', RECONCILE_INTERVAL_MS: '300' });
    await eventually(async () => (await copies()) === 0, 'the session of the frozen process to end', 30_000);
    api.signal('SIGCONT');
    upload.disconnect();
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: in `RetentionSweeper.sweep`, set the limit of the idle transaction to 0. */
  it('in a retention sweep leaves the sweep to another worker', async () => {
    const frozen = site.start('worker', {
      ...PATIENCE,
      RETENTION_INTERVAL_MS: '200',
      FAULT_POINTS: 'retention.in-sweep:stop',
    });
    await frozen.stopped();
    const holders = () =>
      site.observer.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7163003`);
    expect(await holders()).toBe(1);
    await eventually(async () => (await holders()) === 0, 'the lock of the sweep to be free', 20_000);
    frozen.signal('SIGCONT');
  });
});
