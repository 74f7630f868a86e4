import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { BatchWriter } from '../../batches/batch-writer.js';
import { RecordCollector } from '../../batches/record-collector.js';
import { LineLimitError, type RecordReader } from '../../formats/record-reader.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { CompiledTarget } from '../../records/target.js';
import type { RecordQuota } from '../admission.service.js';
import {
  bodyTooLarge,
  bodyTooSlow,
  decompressionRatioExceeded,
  lineTooLong,
  tooManyRecords,
  undecodableBody,
} from '../import-queue.errors.js';

interface BodyPace {
  /** The longest pause between two pieces, in milliseconds; 0: no limit. */
  idleMs: number;
  /** The lowest average rate while we wait, in bytes per second; 0: no limit. */
  minBytesPerSecond: number;
}

/** Grace period: the rate is not judged before this much waiting. */
const GRACE_MS = 30_000;

/** The body arrives too slowly. */
class BodyTooSlowError extends Error {
  override readonly name = 'BodyTooSlowError';
}

/**
 * The pieces of a body as they arrive. Only the time that we wait for the client counts, not the time that it waits for
 * us. The body always stays open: destroying it would close the socket that the answer needs.
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

/** The body does not match its Content-Encoding. */
export class UndecodableBodyError extends Error {
  override readonly name = 'UndecodableBodyError';
}

/** Decoding enlarges the body so much that someone must have crafted it. */
class DecompressionRatioError extends Error {
  override readonly name = 'DecompressionRatioError';
}

export interface BodyGuards extends BodyPace {
  /** The most decoded bytes per received byte, beyond the first MiB. */
  maxRatio: number;
  /** The records found so far; each counts as at least `RECORD_BYTES`. */
  records?: (() => number) | undefined;
}

/**
 * What a record counts as in the ratio if its line is shorter. Storing a record costs several hundred bytes, however
 * short it is, so a bomb of tiny lines grows far beyond its decoded bytes.
 */
const RECORD_BYTES = 128;

const UNGUARDED: BodyGuards = { idleMs: 0, minBytesPerSecond: 0, maxRatio: Infinity };
/** The ratio is not checked below this size, because similar rows compress well and a small result does no harm. */
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
    const cost = Math.max(bytes, (guards.records?.() ?? 0) * RECORD_BYTES);
    if (createDecoder !== undefined && cost > RATIO_FREE_BYTES && cost > received.bytes * guards.maxRatio) {
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
  return /^(?:Z_|ERR_BROTLI|ERR__ERROR_)/.test((error as NodeJS.ErrnoException).code ?? '');
}

export interface IntakeLimits {
  /** Decoded bytes. */
  maxBodyBytes: number;
  maxLineBytes: number;
  maxRecords: number;
  maxDecompressionRatio: number;
  receiveIdleMs: number;
  minBodyBytesPerSecond: number;
}

/** Bytes to collect before taking a database connection, so that small and slow calls do not hold one while sending. */
const COLLECTED_FIRST = 1024 * 1024;

/** Asking the quota for each piece of the body would cost more than it saves. */
const COUNTED_TOGETHER = 10_000;

/** The body has more records than the limit. */
export class TooManyRecordsError extends Error {
  override readonly name = 'TooManyRecordsError';
}

/**
 * Receives one body: decodes it, splits it into records, parses and checks them (pass 1) and collects them as rows.
 * Reading has two steps: `collectFirst` and, inside the transaction, `writeAll`. So the transaction begins only after
 * the first megabyte, or all of a smaller body, has proved to be valid. A refusal is a DomainError and stores nothing.
 * Why: ADR 5.
 */
export class BodyIntake {
  readonly rows: RecordCollector;
  private readonly pieces: AsyncGenerator<Buffer>;
  private readonly reader: RecordReader;
  private readonly hash: Hash | null;
  private ended = false;
  /** Records that the quota knows of. */
  private counted = 0;
  private readonly turn = new EventLoopTurn();

  constructor(
    body: Readable,
    encoding: string,
    private readonly limits: IntakeLimits,
    chunkSize: number,
    target: CompiledTarget,
    private readonly options: { hashed: boolean; reader: RecordReader; quota: RecordQuota },
  ) {
    this.rows = RecordCollector.for(target, chunkSize);
    this.pieces = decodedPieces(body, encoding, limits, () => this.rows.totalCount);
    this.hash = options.hashed ? createHash('sha256') : null;
    this.reader = options.reader;
    const room = () => {
      if (this.rows.totalCount === limits.maxRecords) throw new TooManyRecordsError();
      return this.rows;
    };
    this.reader.sink = (line, row, raw, origin) => {
      const error = origin?.error;
      const verdict = error === undefined ? target.checkRow(row, raw) : { error, orderingKeys: [] };
      room().add(line, raw, verdict, origin);
    };
    this.reader.plainSink = {
      checksOf: (names) => target.plainChecks?.(names) ?? null,
      add: (line, bytes, start, end, checks) => room().addPlain(line, bytes, start, end, checks),
    };
  }

  /** Whether the whole body has arrived, so that its transaction no longer waits for the client. */
  get complete(): boolean {
    return this.ended;
  }

  /** Reads until there is enough for a transaction, or until the end. */
  async collectFirst(): Promise<void> {
    await refusing(this.pieces, this.limits, async () => {
      while (!this.ended && this.rows.pendingLength < COLLECTED_FIRST && this.reader.errorCount === 0)
        await this.readPiece();
      if (this.reader.errorCount > 0) await this.refuseMalformed();
      if (this.ended && this.rows.totalCount === 0) throw this.reader.empty();
      // A connection that is held meanwhile would be missing to others.
      if (this.ended) await this.countRecords();
    });
  }

  /** Writes the collected rows and all rows that still arrive. */
  async writeAll(writer: BatchWriter): Promise<void> {
    await refusing(this.pieces, this.limits, async () => {
      while (!this.ended) {
        await this.countRecords();
        await writer.flush();
        await this.readPiece();
        if (this.reader.errorCount > 0) throw new MalformedMidwayError();
      }
      await this.countRecords();
      await writer.end();
    });
  }

  /** Before they are written, because even a refused body leaves its rows in the files of the database for a time. */
  private async countRecords(): Promise<void> {
    const records = this.rows.totalCount - this.counted;
    if (records < COUNTED_TOGETHER && !this.ended && this.counted > 0) return;
    this.counted = this.rows.totalCount;
    await this.options.quota(records);
  }

  /**
   * Runs the transaction that calls `writeAll`. A malformed line rolls it back. The rest of the body is read after
   * that, so that the refusal lists every error.
   */
  async storing<Result>(transaction: () => Promise<Result>): Promise<Result> {
    try {
      return await transaction();
    } catch (error) {
      if (error instanceof MalformedMidwayError) return this.refuseMalformed();
      throw error;
    }
  }

  private async refuseMalformed(): Promise<never> {
    await refusing(this.pieces, this.limits, async () => {
      while (!this.ended) await this.readPiece();
    });
    throw this.reader.malformed();
  }

  /** SHA-256 of the decoded body; complete only after the whole body was read. */
  bodyHash(): Buffer {
    if (this.hash === null) throw new Error('the intake was not asked to hash the body');
    return this.hash.digest();
  }

  private async readPiece(): Promise<void> {
    const next = await this.pieces.next();
    if (next.done === true) {
      this.ended = true;
      this.reader.end();
    } else {
      this.hash?.update(next.value);
      this.reader.push(next.value);
      if (this.turn.isOver) await this.turn.next();
    }
  }
}

/** The SHA-256 of the decoded bytes of a body. @throws DomainError as `BodyIntake` does */
export async function hashBody(body: Readable, encoding: string, limits: IntakeLimits): Promise<Buffer> {
  const hash = createHash('sha256');
  const pieces = decodedPieces(body, encoding, limits);
  await refusing(pieces, limits, async () => {
    for await (const piece of pieces) hash.update(piece);
  });
  return hash.digest();
}

/** @throws what `asRefusal` describes */
export function decodedPieces(
  body: Readable,
  encoding: string,
  limits: IntakeLimits,
  records?: () => number,
): AsyncGenerator<Buffer> {
  return decodeBody(body, encoding, limits.maxBodyBytes, {
    idleMs: limits.receiveIdleMs,
    minBytesPerSecond: limits.minBodyBytesPerSecond,
    maxRatio: limits.maxDecompressionRatio,
    records,
  });
}

async function refusing(
  pieces: AsyncGenerator<Buffer>,
  limits: IntakeLimits,
  read: () => Promise<void>,
): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (error instanceof MalformedMidwayError) throw error;
    await pieces.return(undefined);
    throw asRefusal(error, limits);
  }
}

/** The answer for an error that a limit or a client caused; any other error stays as it is. */
export function asRefusal(error: unknown, limits: IntakeLimits): unknown {
  if (error instanceof BodyTooLargeError) return bodyTooLarge(limits.maxBodyBytes);
  if (error instanceof DecompressionRatioError)
    return decompressionRatioExceeded(limits.maxDecompressionRatio);
  if (error instanceof BodyTooSlowError) return bodyTooSlow(limits);
  if (error instanceof LineLimitError) return lineTooLong(error.line, limits.maxLineBytes);
  if (error instanceof TooManyRecordsError) return tooManyRecords(limits.maxRecords);
  if (error instanceof UndecodableBodyError) return undecodableBody(error);
  return error;
}

/** A malformed line arrived after the transaction had begun. The transaction must roll back before the rest is read. */
class MalformedMidwayError extends Error {
  override readonly name = 'MalformedMidwayError';
}
