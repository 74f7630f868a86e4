import { Site } from './support/site.js';

describe('a batch that was answered 202', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  /**
   * Break it: in `ImportQueueService.store`, start the batch and answer before the transaction has ended; or leave
   * `selectBatchesWithRoom` out of `Reconciler.reconcile`.
   */
  it('loses no record when everything is killed at once, and Redis forgets everything', async () => {
    const [api, worker] = [site.start('api'), site.start('worker')];
    const client = await site.client(api);
    await worker.ready();
    await site.send(client, 6_000);

    await Promise.all([api.kill(), worker.kill()]);
    await site.redis.flushAll();
    expect(await site.observer.done()).toBeLessThan(5_900);

    site.start('worker');
    expect(await site.problems()).toEqual([]);
  });
});
