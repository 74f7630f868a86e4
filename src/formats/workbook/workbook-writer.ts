import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { JsonObject } from '../../platform/json/json-value.js';
import { WORKBOOK_LIMITS } from './workbook-archive.js';
import { columnLetters, isExactNumber, serialOfDay, xmlText } from './workbook-cells.js';

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

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const RELATIONSHIPS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const SHEET_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml';

/** Indexes of the cell styles in `styleSheet`. */
const STYLE = {
  header: 1,
  text: 2,
  date: 3,
  markedText: 4,
  markedDate: 5,
  markedNumber: 6,
} as const;

/** Number format 49 is text: what a person types into such a cell stays as typed. */
function styleSheet(): string {
  const format = (numFmtId: number, font = 0, fill = 0) =>
    `<xf numFmtId="${numFmtId}" fontId="${font}" fillId="${fill}" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>`;
  const formats = [
    format(0),
    format(49, 1),
    format(49),
    format(164),
    format(49, 2, 2),
    format(164, 2, 2),
    format(0, 2, 2),
  ];
  return (
    `${HEAD}<styleSheet xmlns="${MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>` +
    '<fonts count="3"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font>' +
    '<font><sz val="11"/><color rgb="FF9C0006"/><name val="Calibri"/></font></fonts>' +
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>' +
    '<fill><patternFill patternType="solid"><fgColor rgb="FFFFC7CE"/><bgColor indexed="64"/></patternFill></fill></fills>' +
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>' +
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>' +
    `<cellXfs count="${formats.length}">${formats.join('')}</cellXfs>` +
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
  );
}

const CONTENT_TYPES =
  `${HEAD}<Types xmlns="${PACKAGE}/content-types">` +
  `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
  '<Default Extension="xml" ContentType="application/xml"/>' +
  '<Default Extension="vml" ContentType="application/vnd.openxmlformats-officedocument.vmlDrawing"/>' +
  `<Override PartName="/xl/workbook.xml" ContentType="${SHEET_TYPE}.sheet.main+xml"/>` +
  `<Override PartName="/xl/worksheets/sheet1.xml" ContentType="${SHEET_TYPE}.worksheet+xml"/>` +
  `<Override PartName="/xl/worksheets/sheet2.xml" ContentType="${SHEET_TYPE}.worksheet+xml"/>` +
  `<Override PartName="/xl/styles.xml" ContentType="${SHEET_TYPE}.styles+xml"/>` +
  `<Override PartName="/xl/comments1.xml" ContentType="${SHEET_TYPE}.comments+xml"/></Types>`;

/** The parts that tie the others together. @param hasLists whether there is a second, hidden sheet */
function packageParts(sheetName: string, hasLists: boolean): [name: string, text: string][] {
  const relationship = (id: string, type: string, target: string) =>
    `<Relationship Id="${id}" Type="${RELATIONSHIPS}/${type}" Target="${target}"/>`;
  const relationships = (...all: string[]) =>
    `${HEAD}<Relationships xmlns="${PACKAGE}/relationships">${all.join('')}</Relationships>`;
  const lists = hasLists ? '<sheet name="Lists" sheetId="2" state="hidden" r:id="sheet2"/>' : '';
  return [
    [
      'xl/workbook.xml',
      `${HEAD}<workbook xmlns="${MAIN}" xmlns:r="${RELATIONSHIPS}"><sheets>` +
        `<sheet name="${xmlText(sheetTitle(sheetName))}" sheetId="1" r:id="sheet1"/>${lists}</sheets></workbook>`,
    ],
    ['_rels/.rels', relationships(relationship('workbook', 'officeDocument', 'xl/workbook.xml'))],
    [
      'xl/_rels/workbook.xml.rels',
      relationships(
        relationship('sheet1', 'worksheet', 'worksheets/sheet1.xml'),
        ...(hasLists ? [relationship('sheet2', 'worksheet', 'worksheets/sheet2.xml')] : []),
        relationship('styles', 'styles', 'styles.xml'),
      ),
    ],
    [
      'xl/worksheets/_rels/sheet1.xml.rels',
      relationships(
        relationship('drawing', 'vmlDrawing', '../drawings/vmlDrawing1.vml'),
        relationship('notes', 'comments', '../comments1.xml'),
      ),
    ],
  ];
}

/** Excel refuses some characters in the name of a sheet, and more than 31. */
function sheetTitle(name: string): string {
  const title = name
    .replace(/[\\/?*[\]:\p{Cc}]/gu, ' ')
    .replace(/^['\s]+|['\s]+$/g, '')
    .slice(0, 31)
    .toWellFormed();
  return title === '' || /^(history|lists)$/i.test(title) ? 'Rows' : title;
}

interface PlacedNote {
  reference: string;
  /** 0-based. */
  row: number;
  column: number;
  text: string;
}

function* noteList(notes: readonly PlacedNote[]): Generator<string, void, undefined> {
  yield `${HEAD}<comments xmlns="${MAIN}"><authors><author>Workflow Import Queue</author></authors><commentList>`;
  for (const { reference, text } of notes) {
    yield `<comment ref="${reference}" authorId="0"><text><t xml:space="preserve">${xmlText(text)}</t></text></comment>`;
  }
  yield '</commentList></comments>';
}

/** The boxes of the notes, in the old drawing format that spreadsheets still want. */
function* noteDrawing(notes: readonly PlacedNote[]): Generator<string, void, undefined> {
  yield '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:x="urn:schemas-microsoft-com:office:excel">';
  yield '<v:shapetype id="note" coordsize="21600,21600" o:spt="202" path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/><v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>';
  for (const [index, { row, column }] of notes.entries()) {
    yield (
      `<v:shape id="note${index}" type="#note" style="position:absolute;visibility:hidden;width:240px;height:80px" fillcolor="#ffffe1" o:insetmode="auto">` +
      '<v:fill color2="#ffffe1"/><v:shadow on="t" color="black" obscured="t"/><v:path o:connecttype="none"/>' +
      '<v:textbox><div style="text-align:left"/></v:textbox><x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>' +
      `<x:AutoFill>False</x:AutoFill><x:Row>${row}</x:Row><x:Column>${column}</x:Column></x:ClientData></v:shape>`
    );
  }
  yield '</xml>';
}
