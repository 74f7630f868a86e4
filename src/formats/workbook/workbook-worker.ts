import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { FileBytes } from '../record-reader.js';
import { openOds } from './ods-workbook.js';
import {
  DamagedWorkbookError,
  NotAWorkbookError,
  passwordProtected,
  WorkbookArchive,
} from './workbook-archive.js';
import { type OpenWorkbook, packedRows, type SheetRow } from './workbook-cells.js';
import type { WorkbookAnswer, WorkbookMessage, WorkbookOrder } from './workbook-table.js';
import { openXlsx } from './xlsx-workbook.js';

/** Rows per message: enough to share the cost of a message, few enough to keep memory small. */
const ROWS = 400;

/** The other side: it holds the bytes of the file and takes the rows. */
class OtherSide implements Pick<FileBytes, 'size' | 'range'> {
  private readonly ranges: ((bytes: Buffer) => void)[] = [];
  private demand = 0;
  private wake: () => void = () => undefined;

  constructor(
    private readonly port: MessagePort,
    readonly size: number,
  ) {
    port.on('message', (answer: WorkbookAnswer) => {
      if (answer !== 'more')
        return this.ranges.shift()?.(Buffer.from(answer.buffer, answer.byteOffset, answer.length));
      this.demand += 1;
      this.wake();
    });
  }

  send(message: WorkbookMessage): void {
    this.port.postMessage(message);
  }

  sendRows(rows: SheetRow[]): void {
    const packed = packedRows(rows);
    this.port.postMessage({ kind: 'rows', rows, packed } satisfies WorkbookMessage, [packed.buffer]);
  }

  /** Answers come in the order of the questions. */
  range(start: number, end: number): Promise<Buffer> {
    return new Promise((resolve) => {
      this.ranges.push(resolve);
      this.send({ kind: 'range', start, end });
    });
  }

  /** Waits until the other side wants more rows, so that no more is read than it takes. */
  async demanded(): Promise<void> {
    while (this.demand === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    this.demand -= 1;
  }
}

/** Runs in a thread of its own: lists the sheets, or reads one and sends its rows whenever more are asked for. */
async function serve(other: OtherSide, place: number | null): Promise<void> {
  try {
    const workbook = await openWorkbook(other, new AbortController().signal);
    if (place === null) {
      return other.send({ kind: 'opened', format: workbook.format, sheets: await workbook.sheets() });
    }
    let rows: SheetRow[] = [];
    for await (const found of workbook.rows(place)) {
      rows = rows.length === 0 ? found : rows.concat(found);
      if (rows.length < ROWS) continue;
      await other.demanded();
      other.sendRows(rows);
      rows = [];
    }
    await other.demanded();
    other.sendRows(rows);
    other.send({ kind: 'ended' });
  } catch (error) {
    if (error instanceof DamagedWorkbookError) {
      other.send({ kind: 'damaged', message: error.message, limit: error.limit });
    } else if (error instanceof NotAWorkbookError) {
      other.send({ kind: 'no workbook', message: error.message, advice: error.advice });
    } else throw error;
  }
}

if (parentPort !== null) {
  const port = parentPort;
  const { size, place } = workerData as WorkbookOrder;
  void serve(new OtherSide(port, size), place).finally(() => port.close());
}

const COMPOUND_FILE = Buffer.from([0xd0, 0xcf, 0x11, 0xe0]);
const ODS_TYPE = 'application/vnd.oasis.opendocument.spreadsheet';
/** The type stands alone in its part, at most with a suffix such as `-template`. */
const TYPE_BYTES = 200;

/**
 * Opens a workbook for reading and says what a file is that is none.
 * @throws NotAWorkbookError, DamagedWorkbookError, the reason of the signal
 */
export async function openWorkbook(
  file: Pick<FileBytes, 'size' | 'range'>,
  signal: AbortSignal,
): Promise<OpenWorkbook> {
  const start = await bytesAt(file, 0, 30);
  if (start.subarray(0, 4).equals(COMPOUND_FILE)) throw await compoundFile(file);
  if (!isZipEntry(start)) throw new NotAWorkbookError('a ZIP archive that nothing can read', SEND_TABLE);
  const archive = await WorkbookArchive.open(file, signal);
  if (archive.has('[Content_Types].xml')) return openXlsx(archive);
  const type = archive.has('mimetype')
    ? (await archive.start('mimetype', TYPE_BYTES)).toString('latin1')
    : '';
  if (type.startsWith(ODS_TYPE) || (type === '' && archive.has('content.xml'))) return openOds(archive);
  if (type.startsWith('application/vnd.oasis.opendocument')) {
    throw new NotAWorkbookError('an OpenDocument file without sheets', SEND_TABLE);
  }
  throw zipOf(archive.names());
}

/** Whether the first entry, if there is one, is stored or deflated, as every entry of a workbook is. */
function isZipEntry(start: Buffer): boolean {
  return start.readUInt32LE(0) !== 0x04034b50 || [0, 8].includes(start.readUInt16LE(8));
}

const SEND_TABLE = 'Put the rows into a workbook (.xlsx) or a CSV file, and upload that file.';

function zipOf(names: readonly string[]): NotAWorkbookError {
  if (names.includes('index/document.iwa') || names.some((name) => name.endsWith('.iwa'))) {
    return new NotAWorkbookError(
      'an Apple Numbers file',
      'Choose File, Export To, Excel, and upload that file.',
    );
  }
  const count = names.length === 1 ? '1 file' : `${names.length} files`;
  return new NotAWorkbookError(
    `a ZIP archive with ${count}`,
    'Unpack it and upload one CSV, JSON Lines, XLSX or ODS file.',
  );
}

/** An encrypted workbook and the old binary format share one container; the names of its streams tell them apart. */
async function compoundFile(file: Pick<FileBytes, 'size' | 'range'>): Promise<NotAWorkbookError> {
  const header = await bytesAt(file, 0, 512);
  const sectorBytes = 2 ** Math.min(header.readUInt16LE(30), 12);
  const start = (header.readInt32LE(48) + 1) * sectorBytes;
  const directory = (await bytesAt(file, start, 4096)).toString('utf16le');
  if (directory.includes('EncryptedPackage')) return passwordProtected();
  if (directory.includes('WordDocument'))
    return new NotAWorkbookError('an old Word document (.doc)', SEND_TABLE);
  return new NotAWorkbookError(
    'an old binary workbook (.xls)',
    'Open it, choose "Save as" and "Excel Workbook (*.xlsx)", and upload that file.',
  );
}

/** Bytes of the file, filled up with zeros if it is shorter. */
async function bytesAt(
  file: Pick<FileBytes, 'size' | 'range'>,
  start: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const end = Math.min(file.size, start + length);
  if (start >= 0 && start < end) (await file.range(start, end)).copy(bytes);
  return bytes;
}
