import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BatchWriter } from '../../batches/batch-writer.js';
import { RecordCollector } from '../../batches/record-collector.js';
import { LineLimitError, type RecordReader } from '../../formats/record-reader.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { CompiledTarget } from '../../records/target.js';
import {
  BodyTooLargeError,
  BodyTooSlowError,
  decodeBody,
  DecompressionRatioError,
  UndecodableBodyError,
} from './body-decoder.js';
import {
  bodyTooLarge,
  bodyTooSlow,
  decompressionRatioExceeded,
  lineTooLong,
  tooManyRecords,
  undecodableBody,
} from '../import-queue.errors.js';

export interface IntakeLimits {
  /** Decoded bytes. */
  maxBodyBytes: number;
  maxLineBytes: number;
  maxRecords: number;
  maxDecompressionRatio: number;
  receiveIdleMs: number;
  minBodyBytesPerSecond: number;
}

/** Bytes that are collected before a database connection is taken, so that a small or slow call holds none while it sends. */
const COLLECTED_FIRST = 1024 * 1024;

class TooManyRecordsError extends Error {}

/**
 * One body on its way in: it is decoded, split into records, parsed, checked (pass 1) and collected as rows. Reading has
 * two steps, `collectFirst` and, inside the transaction, `writeAll`, so that the transaction begins only after the first
 * megabyte, or all of a smaller body, has proved to be valid. A refusal is a DomainError, and nothing was stored.
 * Why: ADR 5.
 */
export class BodyIntake {
  readonly rows: RecordCollector;
  private readonly pieces: AsyncGenerator<Buffer>;
  private readonly reader: RecordReader;
  private readonly hash: Hash | null;
  private ended = false;
  private readonly turn = new EventLoopTurn();

  constructor(
    body: Readable,
    encoding: string,
    private readonly limits: IntakeLimits,
    chunkSize: number,
    target: CompiledTarget,
    options: { hashed: boolean; reader: RecordReader },
  ) {
    this.rows = new RecordCollector(chunkSize);
    this.pieces = decoded(body, encoding, limits);
    this.hash = options.hashed ? createHash('sha256') : null;
    this.reader = options.reader;
    this.reader.sink = (line, row, raw, origin) => {
      if (this.rows.totalCount === limits.maxRecords) throw new TooManyRecordsError();
      const { error, orderingKeys } =
        origin?.error === undefined ? target.checkRow(row, raw) : { error: origin.error, orderingKeys: [] };
      this.rows.add(line, raw, error, orderingKeys, origin);
    };
  }

  /** Whether the whole body has arrived, so that its transaction no longer waits for the client. */
  get complete(): boolean {
    return this.ended;
  }

  /** Reads until there is enough for a transaction, or to the end. */
  async collectFirst(): Promise<void> {
    await refusing(this.pieces, this.limits, async () => {
      while (!this.ended && this.rows.pendingLength < COLLECTED_FIRST && this.reader.errorCount === 0)
        await this.readPiece();
      if (this.reader.errorCount > 0) await this.refuseMalformed();
      if (this.ended && this.rows.totalCount === 0) throw this.reader.empty();
    });
  }

  /** Writes what was collected and everything that still arrives. */
  async writeAll(writer: BatchWriter): Promise<void> {
    await refusing(this.pieces, this.limits, async () => {
      while (!this.ended) {
        await writer.flush();
        await this.readPiece();
        if (this.reader.errorCount > 0) throw new MalformedMidwayError();
      }
      await writer.end();
    });
  }

  /**
   * Runs the transaction that calls `writeAll`. After a malformed line it is rolled back before the rest of the body is
   * read, so that the refusal names every mistake.
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

  /** SHA-256 of the decoded body, after it was read to its end. */
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

/** Reads a body to its end only for the SHA-256 of its decoded bytes. @throws DomainError as an intake does */
export async function hashBody(body: Readable, encoding: string, limits: IntakeLimits): Promise<Buffer> {
  const hash = createHash('sha256');
  const pieces = decoded(body, encoding, limits);
  await refusing(pieces, limits, async () => {
    for await (const piece of pieces) hash.update(piece);
  });
  return hash.digest();
}

function decoded(body: Readable, encoding: string, limits: IntakeLimits): AsyncGenerator<Buffer> {
  return decodeBody(body, encoding, limits.maxBodyBytes, {
    idleMs: limits.receiveIdleMs,
    minBytesPerSecond: limits.minBodyBytesPerSecond,
    maxRatio: limits.maxDecompressionRatio,
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
    if (error instanceof BodyTooLargeError) throw bodyTooLarge(limits.maxBodyBytes);
    if (error instanceof DecompressionRatioError)
      throw decompressionRatioExceeded(limits.maxDecompressionRatio);
    if (error instanceof BodyTooSlowError) throw bodyTooSlow(limits);
    if (error instanceof LineLimitError) throw lineTooLong(error.line, limits.maxLineBytes);
    if (error instanceof TooManyRecordsError) throw tooManyRecords(limits.maxRecords);
    if (error instanceof UndecodableBodyError) throw undecodableBody(error);
    throw error;
  }
}

/** A malformed line arrived after the transaction had begun, which must be rolled back before the rest is read. */
class MalformedMidwayError extends Error {
  override readonly name = 'MalformedMidwayError';
}
