import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

interface BodyPace {
  /** How long nothing may arrive, in milliseconds; 0: no limit. */
  idleMs: number;
  /** Bytes per second that must arrive on average while we wait; 0: no limit. */
  minBytesPerSecond: number;
}

/** Grace period: the rate is not judged before this much waiting. */
const GRACE_MS = 30_000;

/** The body arrives too slowly to be waited for. */
export class BodyTooSlowError extends Error {
  override readonly name = 'BodyTooSlowError';
}

/**
 * The pieces of a body as they arrive. Only the time we wait for the client counts, not the time it waits for us. The
 * body always stays open: destroying it would close the socket that the answer needs.
 * @param stop ends the wait for a piece that is no longer needed
 * @throws BodyTooSlowError, and the error of the body (a client that went away)
 */
async function* pacedBody(
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

const DECODERS: Readonly<Record<string, () => Duplex>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

export const CONTENT_ENCODINGS = ['gzip', 'deflate', 'br'] as const;

export function isSupportedEncoding(encoding: string): boolean {
  return encoding === 'identity' || Object.hasOwn(DECODERS, encoding);
}

/** The decoded body is larger than the limit. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}

/** The body is not encoded as its Content-Encoding states. */
export class UndecodableBodyError extends Error {
  override readonly name = 'UndecodableBodyError';
}

/** Decoding enlarges the body so much that someone must have crafted it. */
export class DecompressionRatioError extends Error {
  override readonly name = 'DecompressionRatioError';
}

export interface BodyGuards extends BodyPace {
  /** Decoded bytes per received byte, beyond the first MiB. */
  maxRatio: number;
}

const UNGUARDED: BodyGuards = { idleMs: 0, minBytesPerSecond: 0, maxRatio: Infinity };
/** Similar rows compress well, and a small result does no harm, so the ratio is not judged below this size. */
const RATIO_FREE_BYTES = 1024 ** 2;

/**
 * The decoded pieces of a request body. Limits count decoded bytes, so a small compressed body cannot grow beyond them.
 * Pieces are pulled, so no more is decoded than is consumed.
 * @param encoding lower-case Content-Encoding, `identity` if there is none
 * @throws BodyTooLargeError, UndecodableBodyError, BodyTooSlowError, DecompressionRatioError, and the error of the
 *   request stream (a client that went away)
 */
export async function* decodeBody(
  body: Readable,
  encoding: string,
  maxBytes: number,
  guards: BodyGuards = UNGUARDED,
): AsyncGenerator<Buffer> {
  const createDecoder = DECODERS[encoding];
  const received = { bytes: 0 };
  const pieces =
    createDecoder === undefined
      ? pacedBody(body, guards)
      : decoded(body, encoding, createDecoder(), guards, received);
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new BodyTooLargeError();
    if (createDecoder !== undefined && bytes > RATIO_FREE_BYTES && bytes > received.bytes * guards.maxRatio) {
      throw new DecompressionRatioError();
    }
    yield piece;
  }
}

async function* decoded(
  body: Readable,
  encoding: string,
  decoder: Duplex,
  guards: BodyGuards,
  received: { bytes: number },
): AsyncGenerator<Buffer> {
  const stop = new AbortController();
  const feed = async () => {
    for await (const piece of pacedBody(body, guards, stop.signal)) {
      received.bytes += piece.length;
      if (decoder.destroyed) return;
      if (!decoder.write(piece)) await once(decoder, 'drain', { signal: stop.signal });
    }
    decoder.end();
  };
  const fed = feed().catch((error: Error) => decoder.destroy(error));
  try {
    yield* decoder as AsyncIterable<Buffer>;
  } catch (error) {
    if (isZlibError(error))
      throw new UndecodableBodyError(`the body is not valid ${encoding}`, { cause: error });
    throw error;
  } finally {
    stop.abort();
    decoder.destroy();
    await fed;
  }
}

function isZlibError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return (
    code.startsWith('Z_') ||
    code.startsWith('ERR_BROTLI') ||
    code.startsWith('ERR__ERROR_') ||
    code === 'ERR_PADDING_2'
  );
}
