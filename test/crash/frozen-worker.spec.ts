import { Site } from './support/site.js';

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
