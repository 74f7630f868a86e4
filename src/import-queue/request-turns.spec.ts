import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from 'node:http';
import { beginInTurns } from './admission.service.js';

const COUNT = 100;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A burst: requests that the parser finds in one turn of the event loop. */
function serverWith(listener: RequestListener) {
  const server = createServer(listener);
  beginInTurns(server);
  return (url: string) => {
    const request = { url, method: 'GET', headers: {} } as IncomingMessage;
    server.emit('request', request, new ServerResponse(request));
  };
}

describe('a burst of requests', () => {
  /** Break it: in `beginInTurns`, begin each request at once. */
  it('begins over several turns, each request once and in its order', async () => {
    const seen: string[] = [];
    const send = serverWith(({ url }) => seen.push(url ?? ''));
    const sent = Array.from({ length: COUNT }, (_, n) => `/${n}`);
    for (const url of sent) send(url);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(COUNT / 4);
    let turns = 0;
    for (; seen.length < COUNT; turns += 1) await turn();
    expect(turns).toBeGreaterThan(4);
    expect(seen).toEqual(sent);
  });

  /** Break it: in `beginWaiting`, take the others first. */
  it('is passed by a probe that arrives last', async () => {
    const seen: string[] = [];
    const send = serverWith(({ url }) => seen.push(url ?? ''));
    for (let n = 0; n < COUNT; n += 1) send('/login');
    send('/base/health/live?x=1');
    while (!seen.includes('/base/health/live?x=1')) await turn();
    expect(seen.length).toBeLessThan(COUNT / 2);
  });

  /** Break it: in `beginInTurns`, never open another turn. */
  it('does not hold up a request that comes alone', async () => {
    const seen: string[] = [];
    const send = serverWith(({ url }) => seen.push(url ?? ''));
    for (let n = 0; n < 3 * COUNT; n += 1) {
      send(`/${n}`);
      expect(seen).toHaveLength(n + 1);
      await turn();
    }
  });
});
