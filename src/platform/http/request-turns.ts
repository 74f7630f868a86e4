import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';

/**
 * The longest time that requests take one after the other. A burst of them arrives in one turn of the event loop, which
 * would answer nothing else before the last of them was begun: with hundreds, a probe would wait for a quarter of a
 * second and the process be taken for dead.
 */
const LONGEST_BURST_MS = 20;
/** What a request causes after its listener has returned runs before the next turn, and is not measured. */
const MOST_TOGETHER = 16;

/** Probes decide whether the process is restarted, so they go first. */
const PROBE = /\/health\/(?:live|ready)\/?(?:\?|$)/i;

interface Waiting {
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Lets a burst of requests begin over several turns of the event loop, in the order of their arrival; only probes pass
 * the others. A request that finds no burst begins at once.
 */
export function beginInTurns(server: Server): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  const probes: Waiting[] = [];
  const others: Waiting[] = [];
  let begun = 0;
  let together = 0;
  let isTurnOpen = false;

  const isOver = () => together >= MOST_TOGETHER || performance.now() - begun >= LONGEST_BURST_MS;
  const begin = ({ request, response }: Waiting) => {
    together += 1;
    for (const listener of listeners) listener.call(server, request, response);
  };
  const openTurn = () => {
    if (isTurnOpen) return;
    isTurnOpen = true;
    begun = performance.now();
    together = 0;
    setImmediate(() => {
      isTurnOpen = false;
      if (probes.length + others.length > 0) beginWaiting();
    });
  };
  const beginWaiting = () => {
    openTurn();
    while (!isOver()) {
      const next = probes.shift() ?? others.shift();
      if (next === undefined) return;
      begin(next);
    }
  };

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const queue = PROBE.test(request.url ?? '') ? probes : others;
    openTurn();
    if (queue.length > 0 || isOver()) queue.push({ request, response });
    else begin({ request, response });
  });
}
