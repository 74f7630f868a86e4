import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { eventually } from '../support/eventually.js';
import type { ImportClient } from '../support/import-client.js';
import type { ServiceProcess } from './support/service-process.js';
import { Site } from './support/site.js';

const CONNECTIONS = 5_000;
/** Of the largest form that the sign-in page accepts, everything but the last byte. */
const FORM_BYTES = 16 * 1024;
const MAX_RSS_BYTES = 400_000_000;

/** What a client without a key may send, and then stop. */
const STALLS: readonly string[] = [
  'POST /login HTTP/1.1\r\nHost: x\r\nContent-Ty',
  `POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${FORM_BYTES}\r\n\r\n${'a'.repeat(FORM_BYTES - 1)}`,
  'POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab',
  'POST /API/WorkflowImportQueue/CreateBatch?fileName=a&importProcessId=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"a":',
  'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n',
];

/** Break it: in `parsersFor`, read forms without a session up to 1 MiB, and stall with as much. */
describe(`${CONNECTIONS} clients without a key that stall`, () => {
  let site: Site;
  let api: ServiceProcess;
  let client: ImportClient;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    site = await Site.open();
    // The cache of compiled code, which no installation has, takes 20 MB.
    api = site.start('api', { NODE_DISABLE_COMPILE_CACHE: '1' });
    client = await site.client(api);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await site.close();
  });

  const rss = () =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${api.pid}/status`, 'utf8'))?.[1]) * 1024;

  it('leave the process small and answering', async () => {
    const { hostname, port } = new URL(client.url);
    const before = rss();
    let most = 0;
    let slowest = 0;
    const probe = async () => {
      const begun = performance.now();
      expect((await fetch(`${client.url}/health/live`)).status).toBe(200);
      slowest = Math.max(slowest, performance.now() - begun);
      most = Math.max(most, rss());
    };
    for (let opened = 0; opened < CONNECTIONS;) {
      const together = Array.from({ length: 250 }, () => {
        const socket = connect(Number(port), hostname).on('error', () => undefined);
        sockets.push(socket.resume());
        socket.write(STALLS[(opened += 1) % STALLS.length]!);
        return socket;
      });
      await eventually(() => together.every((socket) => !socket.connecting), 'the connections to be open');
      await probe();
    }
    for (let probes = 0; probes < 20; probes += 1) await probe();
    await site.send(client, 500);
    const open = sockets.filter((socket) => !socket.destroyed).length;
    const mib = (bytes: number) => Math.round(bytes / 1024 ** 2);
    process.stdout.write(
      `${CONNECTIONS} stalled: ${open} still open, RSS ${mib(before)} → at most ${mib(most)} MiB, slowest probe ${Math.round(slowest)} ms\n`,
    );
    expect(open).toBeGreaterThan(CONNECTIONS / 2);
    expect(most).toBeLessThan(MAX_RSS_BYTES);
  });
});
