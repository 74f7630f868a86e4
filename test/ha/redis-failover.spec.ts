import type { ImportClient } from '../support/import-client.js';
import { eventually } from '../support/eventually.js';
import { Site } from '../crash/support/site.js';
import {
  asked,
  HAS_REDIS_CLI,
  HAS_SENTINEL,
  RedisNodes,
  startCluster,
  startSentinels,
} from './support/redis-nodes.js';

/** In batches of 5,000. */
const RECORDS = Number(process.env.HA_RECORDS ?? 100_000);
const PER_BATCH = 5_000;
/** Records of the chunks that two workers hold: they need no Redis to end. */
const UNDER_WAY = 2 * 4 * 200;
const ENDS_WITHIN_MS = 60_000 + RECORDS * 6;

jest.setTimeout(ENDS_WITHIN_MS * 2);

describe('a master of Redis that is killed while records are processed', () => {
  let nodes: RedisNodes;
  let site: Site;
  let client: ImportClient;

  beforeEach(async () => {
    nodes = await RedisNodes.open();
  });
  afterEach(async () => {
    await site?.close();
    await nodes.close();
  });

  const begin = async (redisUrl: string) => {
    site = await Site.open({ REDIS_URL: redisUrl });
    const [api, ...workers] = [site.start('api'), site.start('worker'), site.start('worker')];
    client = await site.client(api);
    for (const worker of workers) await worker.ready();
    for (let sent = 0; sent < RECORDS; sent += PER_BATCH) await site.send(client, PER_BATCH);
    await eventually(async () => (await site.observer.done()) > RECORDS / 10, 'processing to begin', 60_000);
    return workers;
  };
  /** For the report: how many seconds pass until more than a few chunks, which were under way, are done. */
  const pauseFrom = async (before: number) => {
    const begun = performance.now();
    await eventually(
      async () => (await site.observer.done()) > before + UNDER_WAY,
      'processing to go on',
      120_000,
    );
    return ((performance.now() - begun) / 1000).toFixed(1);
  };
  /** What was accepted before and after the failure must end, and new wake-ups must reach the workers at once. */
  const expectAllWell = async (workers: Awaited<ReturnType<typeof begin>>) => {
    await site.send(client, 500);
    expect(await site.problems(ENDS_WITHIN_MS)).toEqual([]);
    for (const worker of workers) await worker.ready();
    const { length } = site.accepted;
    await site.send(client, 100);
    expect(site.accepted).toHaveLength(length + 1);
    expect(await site.problems(ENDS_WITHIN_MS)).toEqual([]);
    for (const worker of workers)
      expect((await worker.readiness()).body).toContain('"redis":{"status":"up"}');
  };

  /** Break it: in `redisConnection`, answer the first node instead of the Sentinels. */
  (HAS_SENTINEL ? it : it.skip)('behind Sentinels is replaced, and no record is lost', async () => {
    const { url, master, replica } = await startSentinels(nodes);
    const workers = await begin(url);
    const before = await site.observer.done();
    expect(before).toBeLessThan(RECORDS);
    await nodes.kill(master);
    const pause = pauseFrom(before);
    await eventually(
      async () => (await asked(replica, (redis) => redis.role()))?.[0] === 'master',
      'the replica to become the master',
      60_000,
    );
    await expectAllWell(workers);
    process.stdout.write(
      `Sentinel: master killed after ${before} of ${RECORDS} records, the next after ${await pause} s; all ended\n`,
    );
  });

  /** Break it: in `queuePrefix`, leave the braces out. */
  (HAS_REDIS_CLI ? it : it.skip)('of a cluster is replaced, and no record is lost', async () => {
    const cluster = await startCluster(nodes, '{wiq}:health');
    const workers = await begin(cluster.url);
    const holder = await cluster.holder();
    const before = await site.observer.done();
    expect(before).toBeLessThan(RECORDS);
    await nodes.kill(holder);
    const pause = pauseFrom(before);
    await eventually(
      () =>
        cluster.holder().then(
          (port) => port !== holder,
          () => false,
        ),
      'a replica to become the master',
      60_000,
    );
    await expectAllWell(workers);
    process.stdout.write(
      `Cluster: master killed after ${before} of ${RECORDS} records, the next after ${await pause} s; all ended\n`,
    );
  });
});
