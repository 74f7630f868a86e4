import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { Injectable } from '@nestjs/common';
import type { FileBytes } from '../formats/record-reader.js';
import { EventLoopTurn } from '../platform/concurrency.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import {
  appendUploadPart,
  deleteUnlinkedUpload,
  insertUpload,
  insertUploadPart,
  selectUploadPart,
  type UploadPart,
} from './uploads.sql.js';

/** Every part except the last one has this size, so that a place in the file names its part. */
const UPLOAD_PART_BYTES = 1024 * 1024;
/** Files of at most this size are kept in memory while they are read. */
const KEPT_IN_MEMORY = 4 * UPLOAD_PART_BYTES;
/** A part is stored compressed if that saves at least a tenth. */
const WORTHWHILE = 0.9;
/** The longest run of bytes between two turns of the event loop. */
const PIECE_BYTES = 128 * 1024;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Another request has taken the upload over. */
export class UploadTakenError extends Error {
  override readonly name = 'UploadTakenError';
}

/** A file that was received completely and is stored. */
export interface StoredFile extends FileBytes {
  readonly uploadId: string;
  /** Whether reading it needs no database connection. */
  readonly isInMemory: boolean;
}

/** Stores the bytes of uploaded files in PostgreSQL, in parts of 1 MiB. */
@Injectable()
export class UploadStore {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Stores a file as it arrives. If it does not arrive completely, nothing is left.
   * @throws what the pieces throw
   */
  async receive(
    pieces: AsyncIterable<Buffer>,
    about: { createdBy: string; fileName: string },
  ): Promise<StoredFile> {
    const id = randomUUID();
    let held: Buffer[] = [];
    let heldBytes = 0;
    let parts = 0;
    let size = 0;
    const kept: Buffer[] = [];
    const store = async (bytes: Buffer) => {
      if (parts === 0) await insertUpload(this.database, { id, ...about });
      await insertUploadPart(this.database, id, await packed(parts, bytes));
      if (kept.length * UPLOAD_PART_BYTES < KEPT_IN_MEMORY) kept.push(bytes);
      parts += 1;
      size += bytes.length;
    };
    try {
      for await (const piece of pieces) {
        held.push(piece);
        heldBytes += piece.length;
        if (heldBytes < UPLOAD_PART_BYTES) continue;
        const all = Buffer.concat(held);
        let at = 0;
        for (; all.length - at >= UPLOAD_PART_BYTES; at += UPLOAD_PART_BYTES) {
          await store(all.subarray(at, at + UPLOAD_PART_BYTES));
        }
        held = [all.subarray(at)];
        heldBytes = all.length - at;
      }
      if (heldBytes > 0 || parts === 0) await store(Buffer.concat(held));
    } catch (error) {
      if (parts > 0) await this.discardUnlinked(id);
      throw error;
    }
    return new StoredParts(this.database, id, size, parts === kept.length ? kept : null);
  }

  /**
   * The stored file. It is read through connections of its own, because a transaction that stores rows with COPY can do
   * nothing else meanwhile; a small file is read at once.
   */
  async open({ id, size }: { id: string; size: number }): Promise<StoredFile> {
    const file = new StoredParts(this.database, id, size, null);
    if (size > KEPT_IN_MEMORY) return file;
    const kept: Buffer[] = [];
    for (let at = 0; at < size; at += UPLOAD_PART_BYTES) {
      kept.push(await file.range(at, Math.min(at + UPLOAD_PART_BYTES, size)));
    }
    return new StoredParts(this.database, id, size, kept);
  }

  /**
   * Appends bytes to an upload as they arrive; what arrived before an error is kept.
   * @returns the offset at the end
   * @throws what the pieces throw; UploadTakenError if another request has taken the upload over
   */
  async append(
    { id, writer, offset }: { id: string; writer: string; offset: number },
    pieces: AsyncIterable<Buffer>,
  ): Promise<number> {
    let stored = offset;
    let number = Math.floor(offset / UPLOAD_PART_BYTES);
    const rest = offset % UPLOAD_PART_BYTES;
    // The last part is read when it grows: an upload that was sealed meanwhile has none.
    let held: Buffer | null = rest === 0 ? Buffer.alloc(0) : null;
    const write = async (bytes: Buffer | null) => {
      const size = number * UPLOAD_PART_BYTES + (bytes?.length ?? 0);
      if (bytes === null || size === stored) return;
      const part = await packed(number, bytes);
      if (!(await appendUploadPart(this.database, { id, writer, offset: stored }, part, size)))
        throw new UploadTakenError();
      stored = size;
    };
    try {
      for await (const piece of pieces) {
        held = Buffer.concat([held ?? (await this.beginningOf(id, number, rest)), piece]);
        for (; held.length >= UPLOAD_PART_BYTES; held = held.subarray(UPLOAD_PART_BYTES)) {
          await write(held.subarray(0, UPLOAD_PART_BYTES));
          number += 1;
        }
      }
    } catch (error) {
      if (!(error instanceof UploadTakenError)) await write(held);
      throw error;
    }
    await write(held);
    return stored;
  }

  private async beginningOf(id: string, number: number, size: number): Promise<Buffer> {
    const part = await selectUploadPart(this.database, id, number);
    if (part === undefined) throw new UploadTakenError();
    return (await unpacked(part)).subarray(0, size);
  }

  /** Deletes a file that did not become a batch. */
  discardUnlinked(uploadId: string): Promise<void> {
    return deleteUnlinkedUpload(this.database, uploadId);
  }
}

async function packed(partNumber: number, bytes: Buffer): Promise<UploadPart> {
  const small = await compress(bytes);
  return small.length < bytes.length * WORTHWHILE
    ? { partNumber, size: bytes.length, compressed: true, bytes: small }
    : { partNumber, size: bytes.length, compressed: false, bytes };
}

async function unpacked({ compressed, bytes }: UploadPart): Promise<Buffer> {
  return compressed ? await decompress(bytes) : bytes;
}

class StoredParts implements StoredFile {
  private last: { number: number; bytes: Buffer } | null = null;

  get isInMemory(): boolean {
    return this.kept !== null;
  }

  /** @param kept all parts, if they are in memory */
  constructor(
    private readonly sql: Sql,
    readonly uploadId: string,
    readonly size: number,
    private readonly kept: readonly Buffer[] | null,
  ) {}

  async *pieces(): AsyncGenerator<Buffer> {
    const turn = new EventLoopTurn();
    for (let number = 0; number * UPLOAD_PART_BYTES < this.size; number += 1) {
      const bytes = await this.part(number);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        yield bytes.subarray(at, at + PIECE_BYTES);
        if (turn.isOver) await turn.next();
      }
    }
  }

  async range(start: number, end: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let at = start; at < Math.min(end, this.size);) {
      const number = Math.floor(at / UPLOAD_PART_BYTES);
      const first = number * UPLOAD_PART_BYTES;
      const bytes = await this.part(number);
      pieces.push(bytes.subarray(at - first, Math.min(end - first, bytes.length)));
      at = first + bytes.length;
    }
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  private async part(number: number): Promise<Buffer> {
    const kept = this.kept?.[number];
    if (kept !== undefined) return kept;
    if (this.last?.number === number) return this.last.bytes;
    const part = await selectUploadPart(this.sql, this.uploadId, number);
    if (part === undefined) throw new Error(`part ${number} of upload ${this.uploadId} is missing`);
    const bytes = await unpacked(part);
    this.last = { number, bytes };
    return bytes;
  }
}
