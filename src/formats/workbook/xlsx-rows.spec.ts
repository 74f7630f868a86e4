import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedWorkbookError, WorkbookArchive } from './workbook-archive.js';
import type { SheetRow } from './workbook-cells.js';
import { collectXml } from './workbook-xml.js';
import { collectRows } from './xlsx-rows.js';
import { SharedStrings, XlsxSheet } from './xlsx-sheet.js';

const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const DESCENT = 'http://schemas.microsoft.com/office/spreadsheetml/2009/9/ac';
const isMain = (uri: string) => uri === MAIN;

function newSheet(): XlsxSheet {
  const strings = new SharedStrings();
  for (const text of ['zero', '_x0041_', 'two']) strings.add(text);
  const formats = (['number', 'date', 'datetime', 'time'] as const).map((kind) => ({ kind, minDigits: 0 }));
  return new XlsxSheet({
    strings,
    formats: [...formats, { kind: 'number', minDigits: 5 }],
    is1904: false,
    isMain,
  });
}

type Outcome = { rows: SheetRow[] } | { refusal: string };

async function outcomeOf(blocks: AsyncIterable<SheetRow[]>): Promise<Outcome> {
  const rows: SheetRow[] = [];
  try {
    for await (const block of blocks) rows.push(...block);
  } catch (error) {
    if (!(error instanceof DamagedWorkbookError)) throw error;
    return { refusal: error.message };
  }
  return { rows };
}

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

/** The rows as they are read, as the parser alone reads them, and the numbers of those that the parser did not see. */
async function readBoth(bytes: Buffer, size: number) {
  const sheet = newSheet();
  const withoutParser: (number | null)[] = [];
  const addRow = sheet.addRow.bind(sheet);
  jest.spyOn(sheet, 'addRow').mockImplementation((scanned) => {
    withoutParser.push(scanned.number);
    addRow(scanned);
  });
  const found = await outcomeOf(collectRows(cut(bytes, size), sheet, isMain));
  const expected = await outcomeOf(collectXml(cut(bytes, size), newSheet()));
  return { found, expected, withoutParser };
}

function sheetOf(rows: string, { prefix = '', declared = '' } = {}): string {
  const name = prefix === '' ? 'xmlns' : `xmlns:${prefix.slice(0, -1)}`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<${prefix}worksheet ${name}="${MAIN}"${declared}>` +
    `<${prefix}sheetData>${rows}</${prefix}sheetData></${prefix}worksheet>`
  );
}

/** Pieces of this size: the first one goes to the parser, so the rows must begin in another. */
const SMALL = 60;

describe('rows of a common form', () => {
  it.each([
    ['Excel', ' r="1" spans="1:3" x14ac:dyDescent="0.25"', '<c r="A1" s="1" t="s"><v>0</v></c><c r="B1"/>'],
    ['LibreOffice', ' r="1" customFormat="false" ht="12.8" hidden="false"', '<c r="A1" t="n"><v>1.5</v></c>'],
    ['openpyxl', ' r="1"', '<c r="A1" t="inlineStr"><is><t>Zoë</t></is></c><c r="B1"><f>A1*2</f><v></v></c>'],
    ['Gnumeric', ' r="1"', '\n  <c r="A1" t="b">\n    <v>1</v>\n  </c>\n'],
    ['this service', ' r="1"', '<c r="A1" t="inlineStr"><is><t xml:space="preserve"> a\tb\n</t></is></c>'],
    [
      'a program without references',
      '',
      '<c><v>1</v></c><c t="str"><f t="shared" si="0"/><v>a</v></c><c t="e"><v>#N/A</v></c>',
    ],
  ])('are read without the parser, as %s writes them', async (_, attributes, cells) => {
    const row = `<row${attributes}>${cells}</row>`;
    const numbers = [row, row.replaceAll('1"', '2"'), row.replaceAll('1"', '3"'), row.replaceAll('1"', '4"')];
    const xml = sheetOf(numbers.join(''), { declared: ` xmlns:x14ac="${DESCENT}"` });
    const { found, expected, withoutParser } = await readBoth(Buffer.from(xml), SMALL);
    expect(found).toEqual(expected);
    expect(withoutParser.length).toBeGreaterThanOrEqual(2);
  });
});

const row = (number: number, cells = `<c r="A${number}"><v>${number}</v></c>`) =>
  `<row r="${number}">${cells}</row>`;
const rows = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => row(first + index)).join('');

describe('rows that only look like the common form', () => {
  it.each([
    ['a comment', `<!-- ${row(1)} -->${rows(2, 9)}`, 5],
    ['a processing instruction', `<?x ${row(1)} ?>${rows(2, 9)}`, 5],
    ['a CDATA section', `<![CDATA[${row(1)}]]>${rows(2, 9)}`, 5],
    ['the value of an attribute', `<x a='>${row(1)}'/>${rows(2, 9)}`, 0],
    ['an element of another namespace', `<x xmlns="urn:other"><y></y>${rows(1, 9)}</x>${rows(3, 9)}`, 3],
    [
      'an element after them',
      `${rows(1, 5)}</sheetData><x xmlns="urn:other"><y></y>${rows(6, 9)}</x><sheetData>`,
      2,
    ],
    ['the value of a cell', `${rows(1, 5)}<row r="6"><c><v>7${rows(7, 9)}</v></c></row>`, 2],
  ])('are read as the parser does it: in %s', async (_, inside, least) => {
    for (let size = 20; size < 90; size += 1) {
      const { found, expected, withoutParser } = await readBoth(Buffer.from(sheetOf(inside)), size);
      expect(found).toEqual(expected);
      expect(withoutParser.length).toBeGreaterThanOrEqual(least);
    }
  });

  it.each(['a > b', ']]>', '&lt;', '&bad;', '\r\n', '\u0001', '\ufffe', '\uffff', '<!---->', '<x/>'])(
    'are read as the parser does it: with the text %j',
    async (text) => {
      const odd = row(10, `<c t="inlineStr"><is><t>${text}</t></is></c>`);
      const { found, expected, withoutParser } = await readBoth(
        Buffer.from(sheetOf(rows(1, 9) + odd + rows(11, 20))),
        SMALL,
      );
      expect(found).toEqual(expected);
      expect(withoutParser).toContain(9);
      expect(withoutParser).not.toContain(10);
    },
  );

  it('are read as the parser does it: where the first element is none of a sheet', async () => {
    const inline = [1, 2, 3, 4].map((number) => row(number, '<c><is><t>kana</t></is></c>')).join('');
    const xml = sheetOf(inline).replaceAll('worksheet', 'rPh');
    const { found, expected } = await readBoth(Buffer.from(xml), SMALL);
    expect(found).toEqual(expected);
  });

  it('are refused where a byte is not UTF-8', async () => {
    const xml = Buffer.from(sheetOf(rows(1, 9) + row(10, '<c t="str"><v>x</v></c>') + rows(11, 20)));
    xml[xml.indexOf('>x<') + 1] = 0xe9;
    const { found, expected } = await readBoth(xml, SMALL);
    expect(found).toEqual({ refusal: 'is damaged: a part is not text in the encoding that it states' });
    expect(expected).toEqual(found);
  });
});

it('gives a row to the parser that is longer than what is held', async () => {
  const long = (length: number) => row(50, `<c t="str"><v>${'x'.repeat(length)}</v></c>`.repeat(3));
  const numbers = async (length: number) => {
    const xml = Buffer.from(sheetOf(rows(1, 49) + long(length) + rows(51, 99)));
    const { found, expected, withoutParser } = await readBoth(xml, 1_000);
    expect(found).toEqual(expected);
    return withoutParser;
  };
  expect(await numbers(20_000)).toEqual(expect.arrayContaining([49, 50, 99]));
  const without = await numbers(30_000);
  expect(without).toEqual(expect.arrayContaining([49, 99]));
  expect(without).not.toContain(50);
});

it('gives a sheet to the parser whose rows are all of another form', async () => {
  const others = Array.from({ length: 1_500 }, (_, index) => row(index + 1, '<c t="str"><v>&amp;</v></c>'));
  const { found, expected, withoutParser } = await readBoth(
    Buffer.from(sheetOf(others.join('') + rows(1_501, 1_520))),
    500,
  );
  expect(found).toEqual(expected);
  expect(withoutParser).toEqual([]);
});

it('refuses a sheet whose encoding no one knows', async () => {
  const xml = sheetOf(rows(1, 2)).replace('UTF-8', 'x-unknown');
  const { found } = await readBoth(Buffer.from(xml), 1_000);
  expect(found).toEqual({ refusal: 'is damaged: a part is not text in the encoding that it states' });
});

const TEXTS = [
  ...[
    '',
    'Ada',
    'Zoë',
    '日本語',
    '😀',
    ' padded ',
    'line\nbreak',
    'tab\t',
    'cr\r\n',
    '\r',
    '\u007f',
    '\u2028',
    '\u0085',
  ],
  ...[
    'a &amp; b',
    '&#65;',
    '&bad;',
    'x]]>y',
    ']]',
    'a > b',
    '_x0041_',
    '\ufffe',
    '\u0001',
    '\ufeff',
    '\uff21',
  ],
  ...[
    '<!-- <row r="1"> -->',
    '<![CDATA[<row>]]>',
    '<?pi?>',
    '0',
    '1',
    '2',
    '7',
    '1.5',
    '1e3',
    '45678',
    '-1',
    '007',
  ],
  ...['12345678901234567', 'true', '#N/A', '2025-01-31', 'x'],
];
/** Mostly the first, which has the common form, so that rows of both kinds follow each other. */
const mostly = <Value>(common: fc.Arbitrary<Value>, ...others: Value[]) =>
  fc.oneof({ weight: 300, arbitrary: common }, fc.constantFrom(...others));
const TEXT = fc.oneof(
  { weight: 300, arbitrary: fc.constantFrom('Ada', '0', '1', '45678', '', 'Zoë', 'a\nb') },
  fc.constantFrom(...TEXTS),
);
const SPACE = fc.oneof({ weight: 8, arbitrary: fc.constant('') }, fc.constantFrom(' ', '\n', '\r\n\t'));
const TYPE = mostly(
  fc.constantFrom('', ' t="n"', ' t="s"', ' t="str"', ' t="inlineStr"', ' t="b"', ' t="e"', ' t="d"'),
  ' t="z"',
  ' t="nn"',
  ' t=""',
);
const STYLE = mostly(
  fc.constantFrom('', ' s="0"', ' s="1"', ' s="3"', ' s="4"', ' s="99"'),
  ' s="-1"',
  " s='1'",
  ' s="1" cm="1"',
  ' s="1" s="1"',
  ' s=" 1"',
  's="1"',
);
const FORMULA = mostly(
  fc.constantFrom('', '', '<f>A1</f>', '<f t="shared" si="0"/>'),
  '<f ref="A1:A9">A1&lt;2</f>',
  '<f a="1"/>',
  '<f><f/></f>',
);
const REFERENCE = mostly(
  fc.constantFrom('own', 'own', 'own', ''),
  ' r="XFE1"',
  ' r="a1"',
  ' r="A"',
  ' r="1"',
  ' r=""',
  ' r="ZZZZ1"',
  ' r="XFD1"',
  ' r="Aa1"',
  ' r="ABCD1"',
);
const FORM = mostly(fc.constantFrom('v', 'is', 'empty', 'none', 'closed'), 'rich', 'twice', 'other');

const CELL = fc
  .tuple(REFERENCE, STYLE, TYPE, FORMULA, TEXT, SPACE, FORM)
  .map(([reference, style, type, formula, text, space, form]) => {
    const values: Record<string, string> = {
      v: `<v>${text}</v>`,
      is: `<is>${space}<t xml:space="preserve">${text}</t>${space}</is>`,
      empty: '<v/>',
      none: '',
      rich: `<is><r><rPr/><t>${text}</t></r><rPh><t>kana</t></rPh></is>`,
      twice: `<v>${text}</v><v>${text}</v>`,
      other: `<v>${text}</v><extLst><v>1</v></extLst>`,
    };
    return (column: string) => {
      const start = `<c${reference === 'own' ? ` r="${column}"` : reference}${style}${type}`;
      if (form === 'closed') return `${start}${space}/>`;
      return `${start}${space}>${space}${formula}${space}${values[form]}${space}</c>`;
    };
  });
const ROW_START = mostly(
  fc.constantFrom('own', 'own', '', ' spans="1:3" s="1" ht="15"', ' x14ac:dyDescent="0.25"'),
  ...[
    ' r="1"',
    ' r="x"',
    ' r="1048577"',
    ' r="99" r="99"',
    ' xmlns="urn:other"',
    ' unknown="1"',
    ' s="&lt;"',
  ],
);
const ROW = fc
  .tuple(ROW_START, fc.array(CELL, { maxLength: 3 }), SPACE)
  .map(([attributes, cells, space]) => (number: number) => {
    const start = `${space}<row${attributes === 'own' ? ` r="${number}"` : attributes}${space}`;
    if (cells.length === 0) return `${start}/>`;
    return `${start}>${cells.map((xml, index) => xml(`${'ABC'[index]}${number}`)).join('')}</row>`;
  });
const INSERTED = [
  ...[
    '',
    '<',
    '>',
    '/',
    '"',
    "'",
    '&',
    '=',
    ' ',
    '\n',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?x',
    '?>',
    '<!DOCTYPE x>',
  ],
  ...[
    '<row>',
    '<row r="50">',
    '</row>',
    '<c>',
    '</c>',
    '<v>',
    '</v>',
    '<is>',
    '<t>',
    '<f>',
    '<rPh>',
    '<sheetData>',
  ],
  ...[
    '</sheetData>',
    '</worksheet>',
    ' xmlns="x"',
    ' xmlns:x14ac="x"',
    ' r="1"',
    '&amp;',
    'é',
    '1',
    '\u0000',
    'x:',
  ],
].map((text) => Buffer.from(text));
const BROKEN_UTF8 = [
  Buffer.of(0xff),
  Buffer.of(0xc3),
  Buffer.of(0xed, 0xa0, 0x80),
  Buffer.of(0xef, 0xbf, 0xbe),
];
const MUTATION = fc.record({
  place: fc.nat(),
  removed: fc.nat(4),
  inserted: fc.constantFrom(...INSERTED, ...BROKEN_UTF8),
});

function mutated(
  bytes: Buffer,
  { place, removed, inserted }: { place: number; removed: number; inserted: Buffer },
): Buffer {
  const at = place % (bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

/** A piece is decoded before it is parsed, and a row before the next piece, so the first of two mistakes may differ. */
function expectSame(found: Outcome, expected: Outcome): void {
  const isEncoding = [found, expected].some(
    (each) => 'refusal' in each && each.refusal.includes('is not text in the encoding'),
  );
  if (isEncoding) expect([Object.keys(found), Object.keys(expected)]).toEqual([['refusal'], ['refusal']]);
  else expect(found).toEqual(expected);
}

describe('a sheet is read, or refused with the same words, as the parser alone does it', () => {
  it('whatever its rows have, with mistakes or without, in pieces of any size', async () => {
    const counts = { withoutParser: 0, read: 0, refused: 0 };
    const sheet = fc.record({
      rows: fc.array(ROW, { maxLength: 20, size: 'max' }),
      prefix: fc.constantFrom('', '', 'x:'),
      declared: fc.constantFrom('', ` xmlns:x14ac="${DESCENT}"`),
      head: fc.constantFrom(
        'version="1.0"',
        'version="1.0"',
        'version="1.1"',
        'version="1.0" encoding="windows-1252"',
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        sheet,
        fc.oneof(fc.constant([]), fc.array(MUTATION, { maxLength: 2 })),
        fc.integer({ min: 1, max: 300 }),
        async ({ rows, head, ...names }, mutations, size) => {
          const plain = rows.map((xml, index) => xml(index + 1)).join('');
          const inside =
            names.prefix === '' ? plain : plain.replace(/<(\/?)(?=[a-zA-Z])/g, `<$1${names.prefix}`);
          const xml = sheetOf(inside, names).replace('version="1.0" encoding="UTF-8"', head);
          const bytes = mutations.reduce(mutated, Buffer.from(xml));
          const { found, expected, withoutParser } = await readBoth(bytes, size);
          expectSame(found, expected);
          counts.withoutParser += withoutParser.length;
          counts['rows' in found ? 'read' : 'refused'] += 1;
        },
      ),
      { numRuns: Number(process.env.ROWS_RUNS ?? 3_000) },
    );
    expect(counts.withoutParser).toBeGreaterThan(1_000);
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(300);
  });

  it('for the sheets of the corpora, damaged or not', async () => {
    const parts = (await Promise.all(FOLDERS.map(sheetsIn))).flat();
    const counts = { withoutParser: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...parts),
        fc.array(MUTATION, { maxLength: 1 }),
        fc.integer({ min: 100, max: 2_000 }),
        async (part, mutations, size) => {
          const { found, expected, withoutParser } = await readBoth(mutations.reduce(mutated, part), size);
          expectSame(found, expected);
          counts.withoutParser += withoutParser.length;
          counts.refused += 'refusal' in found ? 1 : 0;
        },
      ),
      { numRuns: 500 },
    );
    expect(counts.withoutParser).toBeGreaterThan(100);
  });
});

const FOLDERS = ['corpora/xlsx', 'interop'].map((name) => join(__dirname, '../../../test/fixtures', name));

/** The sheets of all workbooks in a folder that can be opened. */
async function sheetsIn(folder: string): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.xlsx'))) {
    const bytes = readFileSync(join(folder, name));
    const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
    const archive = await WorkbookArchive.open(
      { size: bytes.length, range },
      new AbortController().signal,
    ).catch(() => null);
    for (const part of archive?.names().filter((each) => /sheet\d*\.xml$/.test(each)) ?? []) {
      const sheet = await archive?.start(part, LARGEST_SHEET).catch(() => null);
      if (sheet != null && sheet.length < LARGEST_SHEET) found.push(sheet);
    }
  }
  return found;
}

const LARGEST_SHEET = 1024 ** 2;
