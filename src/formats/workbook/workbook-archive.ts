import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import type { FileBytes } from '../record-reader.js';

/**
 * The bounds within which a workbook is read. They lie above every honest file and stop a file that was made to exhaust
 * memory or time. Why: ADR 27.
 */
export const WORKBOOK_LIMITS = {
  /** Bytes of the file. */
  fileBytes: 100 * 1024 ** 2,
  entries: 2_000,
  /** Declared and counted bytes of all parts together. */
  inflatedBytes: 2 * 1024 ** 3,
  /** Inflated bytes per byte in the archive; not checked below `ratioFreeBytes`. */
  ratio: 300,
  ratioFreeBytes: 10 * 1024 ** 2,
  sheets: 200,
  rows: 1_048_576,
  columns: 16_384,
  /** Cells with a value, repeated ones included. */
  cells: 50_000_000,
  /** Cells with or without a value, up to the last value of each row. */
  places: 250_000_000,
  /** Characters of one text, as in Excel. */
  textLength: 32_767,
  sharedStrings: 2_000_000,
  sharedStringBytes: 256 * 1024 ** 2,
  /** Characters of XML without an element or the end of a text. */
  silentXml: 1024 ** 2,
  /** Elements within elements; sheets have fewer than ten levels. */
  xmlDepth: 200,
} as const;

/** The file claims to be a workbook, but cannot be read as one, or not safely. `message` completes "The workbook …". */
export class DamagedWorkbookError extends Error {
  override readonly name = 'DamagedWorkbookError';

  /** @param limit the exceeded bound, if that is the reason */
  constructor(
    message: string,
    readonly limit?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The file is something else: `message` names it, for example "a password-protected workbook". */
export class NotAWorkbookError extends Error {
  override readonly name = 'NotAWorkbookError';

  /** @param advice what to do instead, as a sentence */
  constructor(
    kind: string,
    readonly advice: string,
  ) {
    super(kind);
  }
}

export function exceeds(what: string, limit: number): DamagedWorkbookError {
  return new DamagedWorkbookError(`has more than ${limit.toLocaleString('en')} ${what}`, limit);
}

const { entries: MAX_ENTRIES, inflatedBytes: MAX_BYTES, ratio: MAX_RATIO, ratioFreeBytes } = WORKBOOK_LIMITS;
const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
/** Bytes that are asked for at a time. */
const BLOCK_BYTES = 256 * 1024;

/** Reads the archive from wherever its bytes are. */
class RangeReader extends yauzl.RandomAccessReader {
  constructor(private readonly file: Pick<FileBytes, 'range'>) {
    super();
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.blocks(start, end), { objectMode: false });
  }

  private async *blocks(start: number, end: number): AsyncGenerator<Buffer, void, undefined> {
    for (let at = start; at < end; at += BLOCK_BYTES) {
      yield await this.file.range(at, Math.min(end, at + BLOCK_BYTES));
    }
  }
}

/** The parts of a workbook. Names are compared without case, as Office does. */
export class WorkbookArchive {
  private inflated = 0;

  private constructor(
    private readonly zip: ZipFile,
    private readonly entries: ReadonlyMap<string, Entry>,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Reads the directory of the archive and refuses what no writer of workbooks produces.
   * @throws DamagedWorkbookError, NotAWorkbookError
   */
  static async open(file: Pick<FileBytes, 'size' | 'range'>, signal: AbortSignal): Promise<WorkbookArchive> {
    try {
      if (file.size > WORKBOOK_LIMITS.fileBytes) throw exceeds('bytes', WORKBOOK_LIMITS.fileBytes);
      const zip = await yauzl.fromRandomAccessReaderPromise(new RangeReader(file), file.size, {
        autoClose: false,
      });
      if (zip.entryCount > MAX_ENTRIES) throw exceeds('parts', MAX_ENTRIES);
      const entries: Entry[] = [];
      for await (const entry of zip.eachEntry()) {
        if (entries.push(entry) > MAX_ENTRIES) throw exceeds('parts', MAX_ENTRIES);
      }
      refuseOverlaps(entries);
      return new WorkbookArchive(zip, named(entries), signal);
    } catch (error) {
      throw asDamage(error);
    }
  }

  has(name: string): boolean {
    return this.entries.has(keyOf(name));
  }

  /** The names of all parts, in lower case. */
  names(): string[] {
    return [...this.entries.keys()];
  }

  /** The bytes of one part, piece by piece. @throws DamagedWorkbookError; the reason of the signal */
  async *read(name: string): AsyncGenerator<Buffer, void, undefined> {
    const entry = this.entries.get(keyOf(name));
    if (entry === undefined) throw new DamagedWorkbookError(`lacks the part ${JSON.stringify(name)}`);
    let bytes = 0;
    let sum = 0;
    try {
      const stream: Readable = await this.zip.openReadStreamPromise(entry);
      for await (const piece of stream as AsyncIterable<Buffer>) {
        this.signal.throwIfAborted();
        bytes += piece.length;
        this.inflated += piece.length;
        if (this.inflated > MAX_BYTES) throw exceeds('inflated bytes', MAX_BYTES);
        refuseRatio(bytes, entry.compressedSize);
        sum = crc32(piece, sum);
        yield piece;
      }
    } catch (error) {
      throw this.signal.aborted ? error : asDamage(error);
    }
    if (sum !== entry.crc32) {
      throw new DamagedWorkbookError(`is damaged: the checksum of ${JSON.stringify(name)} is wrong`);
    }
  }

  /** A small part as a whole. @param most bytes that are read at most */
  async start(name: string, most: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of this.read(name)) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes >= most) break;
    }
    return Buffer.concat(pieces);
  }
}

/** A package may state names with either slash, in any case, with or without a slash in front. */
function keyOf(name: string): string {
  return name.replaceAll('\\', '/').replace(/^\/+/, '').toLowerCase();
}

function named(entries: readonly Entry[]): Map<string, Entry> {
  const parts = new Map<string, Entry>();
  let declared = 0;
  for (const entry of entries) {
    const name = keyOf(entry.fileName);
    if (name.endsWith('/')) continue;
    if (parts.has(name)) {
      throw new DamagedWorkbookError(`has two parts with the name ${JSON.stringify(entry.fileName)}`);
    }
    if (entry.isEncrypted()) throw passwordProtected();
    if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
      throw new DamagedWorkbookError(
        `is compressed by a method (${entry.compressionMethod}) that we do not read`,
      );
    }
    refuseRatio(entry.uncompressedSize, entry.compressedSize);
    declared += entry.uncompressedSize;
    if (declared > MAX_BYTES) throw exceeds('inflated bytes', MAX_BYTES);
    parts.set(name, entry);
  }
  return parts;
}

export function passwordProtected(): NotAWorkbookError {
  return new NotAWorkbookError(
    'a password-protected workbook',
    'Open it, remove the password (File, Info, Protect Workbook, Encrypt with Password), save it, and upload that file.',
  );
}

/** Parts that share bytes let a small archive claim any size. */
function refuseOverlaps(entries: readonly Entry[]): void {
  const inOrder = [...entries].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  for (const [index, entry] of inOrder.entries()) {
    const next = inOrder[index + 1];
    if (next === undefined) break;
    const { relativeOffsetOfLocalHeader: start, compressedSize, fileNameRaw } = entry;
    const end = start + LOCAL_HEADER_BYTES + fileNameRaw.length + compressedSize;
    if (end > next.relativeOffsetOfLocalHeader) {
      throw new DamagedWorkbookError('is damaged: parts of the archive overlap');
    }
  }
}

function refuseRatio(bytes: number, compressed: number): void {
  if (bytes > ratioFreeBytes && bytes > compressed * MAX_RATIO) {
    throw new DamagedWorkbookError(
      `grows to more than ${MAX_RATIO} times its size when it is opened`,
      MAX_RATIO,
    );
  }
}

function asDamage(error: unknown): Error {
  // The packages throw plain errors; any other is ours already.
  const { name, message } = error as Error;
  if (name !== 'Error') return error as Error;
  const reason = /^End of central directory/.test(message)
    ? 'lacks the end of a workbook: a copy or a download was interrupted, or it is a different kind of file'
    : `is damaged: ${message.replace(/\.$/, '')}`;
  return new DamagedWorkbookError(reason, undefined, { cause: error });
}
