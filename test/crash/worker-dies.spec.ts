import type { FaultPoint } from '../../src/platform/instrumentation.js';
import type { ImportClient } from '../support/import-client.js';
import { newMembers } from './support/members.js';
import { Site } from './support/site.js';

/** At each of these points the dying worker runs chunks of one batch. */
const IN_A_CHUNK: FaultPoint[] = [
  'chunk.before-lock',
  'chunk.after-load',
  'chunk.before-commit',
  'chunk.after-commit',
  'chunk.before-enqueue',
];
const AT_THE_END: FaultPoint[] = ['batch.before-end-commit', 'batch.after-end-commit'];

const OWNER = 'owner@example.org';

describe('a worker that is killed (kill -9) beside one that lives on', () => {
  let site: Site;
  let client: ImportClient;

  beforeAll(async () => {
    site = await Site.open();
    const [api, survivor] = [site.start('api'), site.start('worker')];
    client = await site.client(api);
    await survivor.ready();
  });
  afterAll(() => site.close());

  /**
   * Break it: in `ChunkRunner.run`, commit the target's effects apart from `writeChunkProgress`; in
   * `ChunkQueue.waitingJobIds`, count the active jobs as waiting (the chunks of the dead are then never queued again).
   */
  it.each(IN_A_CHUNK)('at %s loses no record and does none twice', async (point) => {
    const doomed = site.start('worker', { FAULT_POINTS: `${point}:kill@2` });
    await doomed.ready();
    while (doomed.alive) {
      const batch = await site.send(client, 4_000);
      // The other may have been quicker with all of it.
      await Promise.race([doomed.ended(), site.observer.allEnded([batch])]);
    }
    expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await site.problems()).toEqual([]);
  });

  /** Break it: in `BatchFinisher.finish`, add the notification in a transaction of its own, before or after. */
  it.each(AT_THE_END)('at %s ends the batch once and owes one mail', async (point) => {
    const doomed = site.start('worker', { FAULT_POINTS: `${point}:kill` });
    await doomed.ready();
    while (doomed.alive) {
      await site.send(client, newMembers(1, true), { sendSuccessEmailTo: OWNER });
    }
    expect(await doomed.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await site.problems()).toEqual([]);
  });
});
