import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { columnLetters } from './workbook-cells.js';
import { WORKBOOK_LIMITS } from './workbook-limits.js';
import { CONTENT_TYPES, noteDrawing, noteList, packageParts, STYLE, styleSheet } from './workbook-parts.js';
import { isExactNumber, serialOfDay, xmlText } from './workbook-values.js';
import type { JsonObject } from '../../platform/json/json-value.js';

export const WORKBOOK_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

export interface SheetColumn {
  header: string;
  /** How its cells are written if their text has the form of the kind; as text otherwise. */
  kind: 'text' | 'number' | 'date' | 'boolean';
  /** Offered as a pick list. */
  options?: readonly string[];
}

/** A cell that is shown red, with the reason as a note. */
export interface MarkedCell {
  /** 0-based. */
  column: number;
  note: string;
}

export interface WrittenRow {
  /** `null` and the empty text: nothing in the cell. */
  cells: readonly (string | null)[];
  marked: readonly MarkedCell[];
}

export interface WrittenSheet {
  name: string;
  columns: readonly SheetColumn[];
  rows: AsyncIterable<readonly WrittenRow[]>;
}

/** Notes are in memory until the sheet has ended, and programs become slow with more. Cells are red beyond it, too. */
const MOST_NOTES = 10_000;
const LONGEST_NOTE = 500;
/** Fast, and almost as small as the highest level. */
const COMPRESSION = { compressionLevel: 3 };
/** Width of columns, in characters. */
const WIDTH = { least: 10, most: 40 };

interface Note {
  reference: string;
  row: number;
  column: number;
  text: string;
}

/**
 * Writes a workbook (XLSX) with one sheet as it is read: memory does not grow with the rows. The header is bold and
 * stays in view. Text is always a text cell, so no formula runs, and leading zeros stay.
 */
export function writeWorkbook(sheet: WrittenSheet): AsyncIterable<Buffer> {
  const zip = new ZipFile();
  const notes: Note[] = [];
  const lists = sheet.columns.flatMap(({ options }, column) =>
    options === undefined ? [] : [{ column, options }],
  );
  const add = (name: string, pieces: () => AsyncIterable<string> | Iterable<string>) =>
    zip.addReadStreamLazy(name, COMPRESSION, (opened) => {
      const stream = Readable.from(pieces());
      stream.once('error', (error) => (zip.outputStream as unknown as Readable).destroy(error));
      opened(null, stream);
    });
  add('xl/worksheets/sheet1.xml', () => sheetXml(sheet, notes));
  if (lists.length > 0) add('xl/worksheets/sheet2.xml', () => listsXml(lists.map(({ options }) => options)));
  add('xl/comments1.xml', () => noteList(notes));
  add('xl/drawings/vmlDrawing1.vml', () => noteDrawing(notes));
  for (const [name, text] of packageParts(sheet.name, lists.length > 0)) add(name, () => [text]);
  add('xl/styles.xml', () => [styleSheet()]);
  add('[Content_Types].xml', () => [CONTENT_TYPES]);
  zip.end();
  return zip.outputStream as unknown as Readable;
}

async function* sheetXml(sheet: WrittenSheet, notes: Note[]): AsyncGenerator<string, void, undefined> {
  const { columns } = sheet;
  const letters = columns.map((_, column) => columnLetters(column));
  yield sheetStart(columns);
  const header = columns.map((column, index) => textCell(`${letters[index]}1`, column.header, STYLE.header));
  yield `<row r="1">${header.join('')}</row>`;
  let number = 1;
  for await (const rows of sheet.rows) {
    let xml = '';
    for (const row of rows) {
      number += 1;
      if (number > WORKBOOK_LIMITS.rows) throw new Error('a sheet cannot hold that many rows');
      xml += `<row r="${number}">${rowCells(row, number, columns, letters, notes)}</row>`;
    }
    yield xml;
  }
  yield `</sheetData>${validations(columns, letters)}<legacyDrawing r:id="drawing"/></worksheet>`;
}

function sheetStart(columns: readonly SheetColumn[]): string {
  const widths = columns.map(({ header, kind }, index) => {
    const width = Math.min(Math.max(header.length + 2, WIDTH.least), WIDTH.most);
    const style = kind === 'text' ? STYLE.text : kind === 'date' ? STYLE.date : 0;
    return `<col min="${index + 1}" max="${index + 1}" width="${width}" style="${style}" customWidth="1"/>`;
  });
  return (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' +
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" ' +
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">' +
    '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" ' +
    `state="frozen"/></sheetView></sheetViews>${widths.length > 0 ? `<cols>${widths.join('')}</cols>` : ''}<sheetData>`
  );
}

function rowCells(
  { cells, marked }: WrittenRow,
  number: number,
  columns: readonly SheetColumn[],
  letters: readonly string[],
  notes: Note[],
): string {
  let xml = '';
  for (const [index, { kind }] of columns.entries()) {
    const text = cells[index] ?? '';
    const mark = marked.length === 0 ? undefined : marked.find(({ column }) => column === index);
    if (text === '' && mark === undefined) continue;
    const reference = `${letters[index]}${number}`;
    xml += cellXml(reference, text, kind, mark !== undefined);
    if (mark !== undefined && notes.length < MOST_NOTES) {
      notes.push({ reference, row: number - 1, column: index, text: mark.note.slice(0, LONGEST_NOTE) });
    }
  }
  return xml;
}

function cellXml(reference: string, text: string, kind: SheetColumn['kind'], isMarked: boolean): string {
  if (text === '') return `<c r="${reference}" s="${STYLE.markedText}"/>`;
  if (kind === 'number' && isExactNumber(text)) {
    return `<c r="${reference}"${isMarked ? ` s="${STYLE.markedNumber}"` : ''}><v>${text}</v></c>`;
  }
  if (kind === 'boolean' && (text === 'true' || text === 'false')) {
    const style = isMarked ? ` s="${STYLE.markedNumber}"` : '';
    return `<c r="${reference}"${style} t="b"><v>${text === 'true' ? 1 : 0}</v></c>`;
  }
  const serial = kind === 'date' ? serialOfDay(text) : null;
  if (serial !== null) {
    return `<c r="${reference}" s="${isMarked ? STYLE.markedDate : STYLE.date}"><v>${serial}</v></c>`;
  }
  return textCell(reference, text, isMarked ? STYLE.markedText : STYLE.text);
}

function textCell(reference: string, text: string, style: number): string {
  return `<c r="${reference}" s="${style}" t="inlineStr"><is><t xml:space="preserve">${xmlText(text)}</t></is></c>`;
}

function validations(columns: readonly SheetColumn[], letters: readonly string[]): string {
  const found: string[] = [];
  for (const [index, { options }] of columns.entries()) {
    if (options === undefined) continue;
    const list = columnLetters(found.length);
    found.push(
      `<dataValidation type="list" allowBlank="1" showErrorMessage="1" sqref="${letters[index]}2:${letters[index]}${WORKBOOK_LIMITS.rows}">` +
        `<formula1>Lists!$${list}$1:$${list}$${Math.max(options.length, 1)}</formula1></dataValidation>`,
    );
  }
  return found.length === 0
    ? ''
    : `<dataValidations count="${found.length}">${found.join('')}</dataValidations>`;
}

/** The hidden sheet with the options of the pick lists, one column for each. */
function* listsXml(lists: readonly (readonly string[])[]): Generator<string, void, undefined> {
  yield '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
  yield '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>';
  const height = Math.max(...lists.map(({ length }) => length));
  for (let row = 0; row < height; row += 1) {
    const cells = lists.map((options, column) => {
      const option = options[row];
      return option === undefined ? '' : textCell(`${columnLetters(column)}${row + 1}`, option, STYLE.text);
    });
    yield `<row r="${row + 1}">${cells.join('')}</row>`;
  }
  yield '</sheetData></worksheet>';
}

/** A column of a workbook for one member of a row: how its cells are written, by the JSON Schema of the row. */
export function sheetColumn(header: string, member: string, { properties }: JsonObject): SheetColumn {
  if (!isObject(properties) || !Object.hasOwn(properties, member)) return { header, kind: 'text' };
  const schemas = alternatives(properties[member]);
  const kind = kindOf(schemas);
  const options = kind === 'text' ? optionsOf(schemas) : [];
  return options.length === 0 ? { header, kind } : { header, kind, options };
}

function kindOf(schemas: readonly JsonObject[]): SheetColumn['kind'] {
  if (schemas.some(({ format }) => format === 'date')) return 'date';
  const types = schemas.flatMap(({ type }) => type);
  if (types.includes('number') || types.includes('integer')) return 'number';
  return types.includes('boolean') ? 'boolean' : 'text';
}

/** The options of a pick list. A schema also accepts the JSON forms of options such as `1`; a cell holds their text. */
function optionsOf(schemas: readonly JsonObject[]): string[] {
  const values = schemas.flatMap((schema) => (Array.isArray(schema.enum) ? schema.enum : []));
  return [...new Set(values.filter((value) => typeof value === 'string'))];
}

/** A schema and all schemas of which one must hold. */
function alternatives(schema: unknown): JsonObject[] {
  if (!isObject(schema)) return [];
  const nested = [schema.anyOf, schema.oneOf].flatMap((each) => (Array.isArray(each) ? each : []));
  return [schema, ...nested.flatMap(alternatives)];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
