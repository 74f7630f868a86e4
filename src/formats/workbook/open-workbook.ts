import type { FileBytes } from '../table.js';
import { openOds } from './ods-workbook.js';
import type { OpenWorkbook } from './workbook-cells.js';
import { NotAWorkbookError } from './workbook-limits.js';
import { passwordProtected, WorkbookArchive } from './workbook-archive.js';
import { openXlsx } from './xlsx-workbook.js';

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
