import { xmlText } from './workbook-values.js';

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const RELATIONSHIPS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const SHEET_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml';

/** Indexes of the cell styles in `styleSheet`. */
export const STYLE = {
  header: 1,
  text: 2,
  date: 3,
  markedText: 4,
  markedDate: 5,
  markedNumber: 6,
} as const;

/** Number format 49 is text: what a person types into such a cell stays as typed. */
export function styleSheet(): string {
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

export const CONTENT_TYPES =
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
export function packageParts(sheetName: string, hasLists: boolean): [name: string, text: string][] {
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

export function* noteList(notes: readonly PlacedNote[]): Generator<string, void, undefined> {
  yield `${HEAD}<comments xmlns="${MAIN}"><authors><author>Workflow Import Queue</author></authors><commentList>`;
  for (const { reference, text } of notes) {
    yield `<comment ref="${reference}" authorId="0"><text><t xml:space="preserve">${xmlText(text)}</t></text></comment>`;
  }
  yield '</commentList></comments>';
}

/** The boxes of the notes, in the old drawing format that spreadsheets still want. */
export function* noteDrawing(notes: readonly PlacedNote[]): Generator<string, void, undefined> {
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
