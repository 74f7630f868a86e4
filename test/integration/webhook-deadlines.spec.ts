import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BehaviorFixture, people } from '../support/behavior-fixture.js';
import { eventually } from '../support/eventually.js';
import { QUICK } from '../support/notification-fixture.js';

/** Writes again and again until the client is gone. */
function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20);
  socket.on('close', () => clearInterval(timer));
}

/** Every way to keep a request open, or to end it without an answer. */
const RECEIVERS: readonly [conduct: string, answer: (socket: Socket) => void, error: RegExp][] = [
  ['says nothing', () => undefined, /did not answer within 3 s/],
  [
    'switches protocols',
    (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    /answered 101/,
  ],
  [
    'drips interim answers',
    (socket) => drip(socket, 'HTTP/1.1 102 Processing\r\n\r\n'),
    /did not answer within 3 s/,
  ],
  [
    'drips its headers',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      drip(socket, 'X-Drip: 1\r\n');
    },
    /did not answer within 3 s|Header overflow/,
  ],
  ['closes without an answer', (socket) => socket.end(), /hang up|closed|ECONNRESET/],
  ['resets the connection', (socket) => socket.resetAndDestroy(), /hang up|closed|ECONNRESET/],
  ['answers something else than HTTP', (socket) => socket.end('220 mail.example.org\r\n'), /Parse Error/],
];

describe('a webhook receiver that', () => {
  let fixture: BehaviorFixture;
  let collectGarbage: () => void;
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as () => void;
    fixture = await BehaviorFixture.start({}, { ...QUICK, webhookCallMs: 3_000 });
  });
  afterAll(async () => {
    await fixture.stop();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });

  // Nothing is tried again while the next test runs.
  afterEach(() => fixture.database.query(`UPDATE outbox SET status = 'failed'`));

  const listen = async (answer: (socket: Socket) => void): Promise<string> => {
    let collected = false;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      socket.once('data', () => {
        // AbortSignal.any forgets a timeout that the collector has taken; a deadline must hold all the same.
        if (!collected) collectGarbage();
        collected = true;
        answer(socket);
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };

  /** Break it: in `endsWithin`, use `AbortSignal.any` and `AbortSignal.timeout`; in `WebhookClient`, drop `upgrade`. */
  it.each(RECEIVERS)('%s loses its slot, and is tried again', async (_, answer, error) => {
    await fixture.process([{ kind: 'webhook', url: await listen(answer) }], people(1));
    const row = await eventually(async () => {
      const [behavior] = await fixture.behaviors();
      return behavior!.attempts >= 1 && behavior!.status === 'pending' ? behavior! : null;
    }, 'an attempt to end');
    expect(row.last_error).toMatch(error);
  });

  it.each([
    ['sends a body without end', (socket: Socket) => drip(socket, '4000\r\n' + 'x'.repeat(0x4000) + '\r\n')],
    ['drips its body', (socket: Socket) => drip(socket, '1\r\nx\r\n')],
  ])('%s has accepted the webhook, and is hung up on', async (_, drips) => {
    const before = new Set(sockets);
    const url = await listen((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      drips(socket);
    });
    await fixture.process([{ kind: 'webhook', url }], people(1));
    await eventually(async () => (await fixture.behaviors())[0]!.status === 'sent', 'the webhook to be sent');
    await eventually(() => [...sockets].every((socket) => before.has(socket)), 'the connection to be closed');
  });
});
