import type { Duplex, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

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

/** The body is not what its Content-Encoding says. */
export class UndecodableBodyError extends Error {
  override readonly name = 'UndecodableBodyError';
}

/**
 * The decoded pieces of a request body. Limits count decoded bytes, so a small compressed body cannot grow
 * beyond them; pieces are pulled, so no more is decoded than is consumed.
 * @param encoding lower-case Content-Encoding, `identity` when there is none
 * @throws BodyTooLargeError, UndecodableBodyError, and what the request stream throws (a client that went away)
 */
export async function* decodeBody(
  body: Readable,
  encoding: string,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of decoded(body, encoding)) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new BodyTooLargeError();
    yield piece;
  }
}

/** Leaves the request stream open whatever happens: destroying it would close the socket the answer needs. */
async function* decoded(body: Readable, encoding: string): AsyncGenerator<Buffer> {
  const createDecoder = DECODERS[encoding];
  if (createDecoder === undefined) {
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
    return;
  }
  const decoder = createDecoder();
  const fail = (error: Error) => decoder.destroy(error);
  const wentAway = () => decoder.destroy(new Error('the client went away'));
  body.once('error', fail).once('aborted', wentAway).pipe(decoder);
  try {
    yield* decoder as AsyncIterable<Buffer>;
  } catch (error) {
    if (isZlibError(error))
      throw new UndecodableBodyError(`the body is not valid ${encoding}`, { cause: error });
    throw error;
  } finally {
    body.off('error', fail).off('aborted', wentAway).unpipe(decoder);
    decoder.destroy();
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
