import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { Site } from './support/site.js';

describe('a worker whose connections are open but carry nothing any more (a cable is pulled)', () => {
  let site: Site;
  let client: ImportClient;
  const proxies: TcpProxy[] = [];

  beforeAll(async () => {
    site = await Site.open();
    client = await site.client(site.start('api'));
  });
  afterAll(async () => {
    await site.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  const through = async (url: string) => {
    const proxy = await startTcpProxy(url);
    proxies.push(proxy);
    return proxy;
  };
  const untilSomeDone = async () => {
    const before = await site.observer.done();
    await eventually(async () => (await site.observer.done()) > before + 400, 'some records to be done');
  };

  /**
   * What it holds locked is free when PostgreSQL ends its session. Break it: set no
   * idle_in_transaction_session_timeout.
   */
  it('to PostgreSQL keeps no chunk forever, and works again when they are back', async () => {
    const proxy = await through(site.databaseUrl);
    const cutOff = site.start('worker', { DATABASE_URL: proxy.url, DATABASE_IDLE_TRANSACTION_MS: '1500' });
    await cutOff.ready();
    await site.send(client, 6_000);
    await untilSomeDone();
    proxy.silence();
    expect((await cutOff.readiness()).status).toBe(503);

    const other = site.start('worker');
    expect(await site.problems()).toEqual([]);
    await other.kill();

    proxy.restore();
    await cutOff.ready();
    await site.send(client, 1_000);
    expect(await site.problems()).toEqual([]);
    await cutOff.kill();
  });

  /** Break it: in `ChunkQueue.patiently`, wait for the answer however long it takes. */
  it('to Redis delays no one: another worker runs its chunks, and it works again when they are back', async () => {
    const proxy = await through(site.redis.url);
    const cutOff = site.start('worker', { REDIS_URL: proxy.url });
    await cutOff.ready();
    await site.send(client, 6_000);
    await untilSomeDone();
    proxy.silence();
    expect((await cutOff.readiness()).status).toBe(503);
    const other = site.start('worker');
    expect(await site.problems()).toEqual([]);
    await other.kill();

    proxy.restore();
    await cutOff.ready();
    await site.send(client, 1_000);
    expect(await site.problems()).toEqual([]);
    expect(cutOff.alive).toBe(true);
  });
});
