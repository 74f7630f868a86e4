import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { seededRandom } from './support/seeded.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';

/** CRASH_KILLS=50 for the whole of it; each kill costs the start of a process. */
const KILLS = Number(process.env.CRASH_KILLS ?? 12);
const WORKERS = 3;
/** Enough to be done at all times, whatever the machine. */
const RECORDS_WAITING = 6_000;

// Nearly all of the time is the starts of processes, which take 15 s each where other tests run beside this one.
jest.setTimeout(120_000 + KILLS * 25_000);

describe('workers that die all the time', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  /**
   * CRASH_SEED repeats whom it hits and how long it waits; the rest is up to the machine. Break it: in
   * `ChunkRunner.processLocked`, process the records in a transaction of their own, apart from `writeChunkProgress`.
   */
  it(`do each record exactly once in spite of ${KILLS} kills (kill -9)`, async () => {
    const random = seededRandom('random kills');
    const client = await site.client(site.start('api'));
    const workers: ServiceProcess[] = Array.from({ length: WORKERS }, () => site.start('worker'));
    await Promise.all(workers.map((worker) => worker.ready()));

    let sent = 0;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      while (sent - (await site.observer.done()) < RECORDS_WAITING) {
        await site.send(client, 3_000, { sendFailureEmailTo: 'owner@example.org' });
        sent += 3_000;
      }
      const victim = Math.floor(random() * WORKERS);
      await delay(random() * 800);
      await workers[victim]!.kill();
      workers[victim] = site.start('worker');
      // Now and then all of them are young, or none is.
      if (random() < 0.7) await workers[(victim + 1) % WORKERS]!.ready();
    }
    expect(await site.problems(120_000)).toEqual([]);
    await site.observer.passClaimTime();
    // A mail that the server had taken when its sender died comes twice, with the same Message-ID.
    const mails = () => new Set(site.smtp.mails.map(({ messageId }) => messageId)).size;
    await eventually(() => mails() === site.accepted.length, 'one mail per batch');
    process.stdout.write(
      `random kills: ${KILLS} kills, ${site.accepted.length} batches, ${sent} records, ${site.smtp.mails.length} mails\n`,
    );
  });
});
