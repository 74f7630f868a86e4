import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { BodyTooLargeError, decodeBody, UndecodableBodyError } from './body-intake.js';

const TEXT = '{"a":"ü"}\n'.repeat(10_000);

async function decode(bytes: Buffer, encoding: string, limit = 1e9): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of decodeBody(
    Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]),
    encoding,
    limit,
  ))
    pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('decodeBody', () => {
  it.each([
    ['identity', Buffer.from(TEXT)],
    ['gzip', gzipSync(TEXT)],
    ['deflate', deflateSync(TEXT)],
    ['br', brotliCompressSync(TEXT)],
  ])('reads a body encoded as %s', async (encoding, bytes) => {
    await expect(decode(bytes, encoding)).resolves.toBe(TEXT);
  });

  it.each([
    ['identity', Buffer.from(TEXT)],
    ['gzip', gzipSync(TEXT)],
  ])('counts decoded bytes against the limit (%s)', async (encoding, bytes) => {
    const size = Buffer.byteLength(TEXT);
    await expect(decode(bytes, encoding, size)).resolves.toHaveLength(TEXT.length);
    await expect(decode(bytes, encoding, size - 1)).rejects.toThrow(BodyTooLargeError);
  });

  it.each(['gzip', 'deflate', 'br'])('refuses a body that is not %s', async (encoding) => {
    await expect(decode(Buffer.from('not compressed at all'), encoding)).rejects.toThrow(
      UndecodableBodyError,
    );
  });

  it('refuses a gzip body that ends early', async () => {
    await expect(decode(gzipSync(TEXT).subarray(0, -20), 'gzip')).rejects.toThrow(UndecodableBodyError);
  });

  /** Break it: in `decodeBody`, leave out `RECORD_BYTES`. */
  it('counts tiny records for what they cost, not for their bytes', async () => {
    const records = async (line: (n: number) => string) => {
      const bytes = gzipSync(Array.from({ length: 200_000 }, (_, n) => line(n)).join(''));
      let count = 0;
      const guards = { idleMs: 0, minBytesPerSecond: 0, maxRatio: 100, records: () => count };
      for await (const piece of decodeBody(Readable.from([bytes]), 'gzip', 1e9, guards)) {
        for (const byte of piece) if (byte === 0x0a) count += 1;
      }
      return count;
    };
    // 600,000 bytes, which alone are below the size from which the ratio counts.
    await expect(records(() => '{}\n')).rejects.toMatchObject({ name: 'DecompressionRatioError' });
    await expect(records((n) => `{":Id":${n}}\n`)).resolves.toBe(200_000);
  });

  it('leaves the request open when it stops early, since the answer needs its socket', async () => {
    const request = Readable.from([Buffer.from(TEXT), Buffer.from(TEXT)]);
    await expect(decodeBody(request, 'identity', 10).next()).rejects.toThrow(BodyTooLargeError);
    expect(request.destroyed).toBe(false);
  });
});
