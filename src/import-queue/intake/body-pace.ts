import type { Readable } from 'node:stream';

export interface BodyPace {
  /** Nothing arrives for so long, in milliseconds; 0: waited for. */
  idleMs: number;
  /** Less than this arrives, over all the time we waited; 0: any rate. */
  minBytesPerSecond: number;
}

/** Before it has been waited for so long, a slow start counts for nothing. */
const GRACE_MS = 30_000;

/** The body arrives too slowly to be waited for. */
export class BodyTooSlowError extends Error {
  override readonly name = 'BodyTooSlowError';
}

/**
 * The pieces of a body as they arrive. Only the time we wait for the client counts, not the time it waits for us. The
 * body is left open whatever happens: destroying it would close the socket that the answer needs.
 * @param stop ends the wait for a piece that is no longer wanted
 * @throws BodyTooSlowError, and what the body fails with (a client that went away)
 */
export async function* pacedBody(
  body: Readable,
  pace: BodyPace,
  stop?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  let bytes = 0;
  let waitedMs = 0;
  while (stop?.aborted !== true) {
    if (body.errored) throw body.errored;
    const piece = body.read() as Buffer | null;
    if (piece !== null) {
      bytes += piece.length;
      yield piece;
      continue;
    }
    if (body.readableEnded) return;
    if (body.destroyed) throw new Error('the client went away');
    const begun = performance.now();
    await nextEvent(body, longestWait(pace, bytes, waitedMs), stop);
    waitedMs += performance.now() - begun;
  }
}

function longestWait({ idleMs, minBytesPerSecond }: BodyPace, bytes: number, waitedMs: number): number {
  const idle = idleMs === 0 ? Infinity : idleMs;
  if (minBytesPerSecond === 0) return idle;
  const grace = idleMs === 0 ? GRACE_MS : Math.min(GRACE_MS, idleMs);
  return Math.min(idle, Math.max(grace, (bytes / minBytesPerSecond) * 1000) - waitedMs);
}

function nextEvent(body: Readable, boundMs: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      for (const event of ENDINGS) body.off(event, arrived);
      body.off('error', settle);
      stop?.removeEventListener('abort', arrived);
      if (error === undefined) resolve();
      else reject(error);
    };
    const arrived = () => settle();
    const timer =
      boundMs === Infinity
        ? undefined
        : setTimeout(() => settle(new BodyTooSlowError('the body arrives too slowly')), Math.max(0, boundMs));
    for (const event of ENDINGS) body.on(event, arrived);
    body.on('error', settle);
    stop?.addEventListener('abort', arrived, { once: true });
  });
}

const ENDINGS = ['readable', 'end', 'close', 'aborted'] as const;
