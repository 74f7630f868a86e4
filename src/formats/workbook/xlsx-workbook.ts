import { posix } from 'node:path';
import {
  DamagedWorkbookError,
  exceeds,
  NotAWorkbookError,
  WORKBOOK_LIMITS,
  type WorkbookArchive,
} from './workbook-archive.js';
import {
  builtInFormat,
  type NumberFormat,
  numberFormat,
  type OpenWorkbook,
  type SheetRow,
} from './workbook-cells.js';
import { attributeOf, readXml } from './workbook-xml.js';
import { collectRows } from './xlsx-rows.js';
import { readSharedStrings, SharedStrings, XlsxSheet } from './xlsx-sheet.js';

const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const STRICT_MAIN = 'http://purl.oclc.org/ooxml/spreadsheetml/main';
const RELATIONSHIPS = [
  'http://schemas.openxmlformats.org/officeDocument/2006/relationships',
  'http://purl.oclc.org/ooxml/officeDocument/relationships',
];

/** Whether a namespace is the one of spreadsheets, transitional or strict. Asked twice per element, so not a set. */
const isMain = (uri: string): boolean => uri === MAIN || uri === STRICT_MAIN;

interface Relationship {
  type: string;
  target: string;
}

/** The relationships of a part, by id; targets are names of parts. Types lack their namespace (`worksheet`). */
async function relationshipsOf(archive: WorkbookArchive, part: string): Promise<Map<string, Relationship>> {
  const found = new Map<string, Relationship>();
  const name = posix.join(posix.dirname(part), '_rels', `${posix.basename(part)}.rels`);
  if (!archive.has(name)) return found;
  await readXml(archive.read(name), {
    open(tag) {
      if (tag.local !== 'Relationship' || attributeOf(tag, 'TargetMode') === 'External') return;
      const type = attributeOf(tag, 'Type') ?? '';
      const namespace = RELATIONSHIPS.find((each) => type.startsWith(`${each}/`));
      const target = attributeOf(tag, 'Target') ?? '';
      if (namespace === undefined) return;
      found.set(attributeOf(tag, 'Id') ?? '', {
        type: type.slice(namespace.length + 1),
        target: target.startsWith('/') ? target : posix.join('/', posix.dirname(part), target),
      });
    },
    close: () => undefined,
    text: () => undefined,
  });
  return found;
}

interface XlsxSheetInfo {
  name: string;
  hidden: boolean;
  relationship: string;
}

interface Contents {
  sheets: XlsxSheetInfo[];
  is1904: boolean;
}

async function contentsOf(archive: WorkbookArchive, part: string): Promise<Contents> {
  const sheets: XlsxSheetInfo[] = [];
  let is1904 = false;
  await readXml(archive.read(part), {
    open(tag) {
      if (!isMain(tag.uri)) return;
      if (tag.local === 'workbookPr') is1904 = isTrue(attributeOf(tag, 'date1904'));
      if (tag.local !== 'sheet') return;
      const relationship = attributeOf(tag, 'id', (uri) => RELATIONSHIPS.includes(uri)) ?? '';
      const state = attributeOf(tag, 'state') ?? 'visible';
      sheets.push({ name: attributeOf(tag, 'name') ?? '', hidden: state !== 'visible', relationship });
      if (sheets.length > WORKBOOK_LIMITS.sheets) throw exceeds('sheets', WORKBOOK_LIMITS.sheets);
    },
    close: () => undefined,
    text: () => undefined,
  });
  return { sheets, is1904 };
}

const isTrue = (value: string | undefined): boolean => value === '1' || value === 'true';

/** The number format of each cell style, by its index. */
async function formatsOf(archive: WorkbookArchive, part: string): Promise<NumberFormat[]> {
  const own = new Map<number, NumberFormat>();
  const ids: number[] = [];
  let isCellStyles = false;
  await readXml(archive.read(part), {
    open(tag) {
      if (!isMain(tag.uri)) return;
      if (tag.local === 'numFmt') {
        own.set(Number(attributeOf(tag, 'numFmtId')), numberFormat(attributeOf(tag, 'formatCode') ?? ''));
      } else if (tag.local === 'cellXfs') isCellStyles = true;
      else if (tag.local === 'xf' && isCellStyles) ids.push(Number(attributeOf(tag, 'numFmtId') ?? 0));
    },
    close({ local, uri }) {
      if (local === 'cellXfs' && isMain(uri)) isCellStyles = false;
    },
    text: () => undefined,
  });
  return ids.map((id) => own.get(id) ?? builtInFormat(id));
}

/** Opens an XLSX workbook by its relationships; part names mean nothing. @throws DamagedWorkbookError, NotAWorkbookError */
export async function openXlsx(archive: WorkbookArchive): Promise<OpenWorkbook> {
  const root = await relationshipsOf(archive, '');
  const part = [...root.values()].find(({ type }) => type === 'officeDocument')?.target;
  if (part === undefined || !archive.has(part)) throw new DamagedWorkbookError('lacks its list of sheets');
  if (part.endsWith('.bin')) throw binaryWorkbook();
  const related = await relationshipsOf(archive, part);
  const targetOf = (type: string) => [...related.values()].find((each) => each.type === type)?.target;
  const { sheets: all, is1904 } = await contentsOf(archive, part);
  const sheets = all.filter(({ relationship }) => related.get(relationship)?.type === 'worksheet');
  if (sheets.length === 0) throw otherDocument(part);
  const styles = targetOf('styles');
  const formats = styles === undefined || !archive.has(styles) ? [] : await formatsOf(archive, styles);
  const stringsPart = targetOf('sharedStrings');

  async function* rows(place: number): AsyncGenerator<SheetRow[], void, undefined> {
    const target = related.get(sheets[place]?.relationship ?? '')?.target ?? '';
    const strings =
      stringsPart === undefined || !archive.has(stringsPart)
        ? new SharedStrings()
        : await readSharedStrings(archive.read(stringsPart), isMain);
    yield* collectRows(archive.read(target), new XlsxSheet({ strings, formats, is1904, isMain }), isMain);
  }
  return { format: 'xlsx', sheets: () => Promise.resolve(sheets), rows };
}

function binaryWorkbook(): NotAWorkbookError {
  return new NotAWorkbookError(
    'a binary workbook (.xlsb)',
    'Open it, choose "Save as" and "Excel Workbook (*.xlsx)", and upload that file.',
  );
}

/** A Word document or a presentation is packed in the same way. */
function otherDocument(part: string): Error {
  if (part.includes('word/')) return officeDocument('a text document');
  if (part.includes('ppt/')) return officeDocument('a presentation');
  return new DamagedWorkbookError('has no sheet with cells');
}

function officeDocument(kind: string): NotAWorkbookError {
  return new NotAWorkbookError(
    kind,
    'Put the rows into a workbook (.xlsx) or a CSV file, and upload that file.',
  );
}
