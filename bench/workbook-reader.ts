import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { measure } from './results.js';

/**
 * The memory of a process that does nothing but read a workbook twice, as an upload does: an XLSX file with as many
 * shared strings as rows, each of them used twice, and an ODS file. By hand, after `npm run build`:
 *   node --import @swc-node/register/esm-register bench/workbook-reader.ts [rows]
 */

/** Runs what is built: to compile TypeScript takes 200 MB. Whoever takes rows waits, at least for PostgreSQL. */
const READER = `
  import { open } from 'node:fs/promises';
  import { WorkbookTable } from './dist/formats/workbook/workbook-table.js';
  const handle = await open(process.argv[1]);
  const { size } = await handle.stat();
  const range = async (start, end) => (await handle.read(Buffer.alloc(end - start), 0, end - start, start)).buffer;
  const table = await WorkbookTable.open({ size, range }, { sheet: null });
  let rows = 0;
  for (let time = 0; time < 2; time += 1) {
    for await (const block of table.rows()) {
      rows += block.length;
      await new Promise(setImmediate);
    }
  }
  console.log(JSON.stringify([rows, process.resourceUsage().maxRSS]));
  process.exit(0);`;

const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const SHEET = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';

const rows = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'wiq-bench-'));
for (const [name, parts] of [
  ['rows.xlsx', xlsxParts()],
  ['rows.ods', odsParts()],
] as const) {
  const path = join(folder, name);
  await writeZip(path, parts);
  const peakMb = readingPeak(path);
  console.log(`${name}, ${rows.toLocaleString('en')} rows, read twice: peak RSS ${peakMb} MB`);
  measure({
    ...{ name: `reading ${name}, ${rows.toLocaleString('en')} rows, peak RSS`, unit: 'MB', goal: 300 },
    values: [peakMb],
  });
}
rmSync(folder, { recursive: true, force: true });

function readingPeak(path: string): number {
  const answer = spawnSync(process.execPath, ['--input-type=module', '--eval', READER, path], {
    encoding: 'utf8',
    cwd: join(import.meta.dirname, '..'),
  });
  if (answer.status !== 0) throw new Error(answer.stderr);
  const [read = 0, peakKb = 0] = JSON.parse(answer.stdout) as number[];
  if (read !== 2 * rows) throw new Error(`${path} has ${rows} rows, and twice ${read / 2} were read`);
  return Math.round(peakKb / 1024);
}

async function writeZip(path: string, parts: Record<string, () => Iterable<string>>): Promise<void> {
  const zip = new ZipFile();
  for (const [name, texts] of Object.entries(parts)) zip.addReadStream(Readable.from(texts()), name);
  zip.end();
  await finished(zip.outputStream.pipe(createWriteStream(path)));
}

function address(n: number): string {
  return `person${String(n).padStart(7, '0')}@example.org`;
}

/** A thousand rows at a time: each piece is compressed by itself. */
function* inPieces(textOf: (n: number) => string): Generator<string> {
  for (let first = 0; first < rows; first += 1000) {
    const count = Math.min(1000, rows - first);
    yield Array.from({ length: count }, (_, index) => textOf(first + index)).join('');
  }
}

function xlsxParts(): Record<string, () => Iterable<string>> {
  const relation = (id: number, type: string, target: string) =>
    `<Relationship Id="r${id}" Type="${OFFICE}/${type}" Target="${target}"/>`;
  return {
    '[Content_Types].xml': () => [
      `<Types xmlns="${PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>`,
    ],
    '_rels/.rels': () => [
      `<Relationships xmlns="${PACKAGE}/relationships">${relation(1, 'officeDocument', 'xl/workbook.xml')}</Relationships>`,
    ],
    'xl/workbook.xml': () => [
      `<workbook xmlns="${SHEET}" xmlns:r="${OFFICE}"><sheets><sheet name="Rows" sheetId="1" r:id="r1"/></sheets></workbook>`,
    ],
    'xl/_rels/workbook.xml.rels': () => [
      `<Relationships xmlns="${PACKAGE}/relationships">`,
      relation(1, 'worksheet', 'worksheets/sheet1.xml'),
      relation(2, 'sharedStrings', 'sharedStrings.xml'),
      '</Relationships>',
    ],
    *'xl/worksheets/sheet1.xml'() {
      yield `<worksheet xmlns="${SHEET}"><sheetData>`;
      yield* inPieces((n) => {
        const row = n + 1;
        const shared = `<c r="B${row}" t="s"><v>${n}</v></c><c r="C${row}" t="s"><v>${(n * 7919) % rows}</v></c>`;
        return `<row r="${row}"><c r="A${row}"><v>${n}</v></c>${shared}</row>`;
      });
      yield '</sheetData></worksheet>';
    },
    *'xl/sharedStrings.xml'() {
      yield `<sst xmlns="${SHEET}" count="${2 * rows}" uniqueCount="${rows}">`;
      yield* inPieces((n) => `<si><t>${address(n)}</t></si>`);
      yield '</sst>';
    },
  };
}

function odsParts(): Record<string, () => Iterable<string>> {
  const namespace = (name: string) => `xmlns:${name}="urn:oasis:names:tc:opendocument:xmlns:${name}:1.0"`;
  const text = (content: string) =>
    `<table:table-cell office:value-type="string"><text:p>${content}</text:p></table:table-cell>`;
  return {
    mimetype: () => ['application/vnd.oasis.opendocument.spreadsheet'],
    *'content.xml'() {
      yield `<office:document-content ${['office', 'table', 'text'].map(namespace).join(' ')}>`;
      yield '<office:body><office:spreadsheet><table:table table:name="Rows">';
      yield* inPieces((n) => {
        const number = `<table:table-cell office:value-type="float" office:value="${n}"><text:p>${n}</text:p></table:table-cell>`;
        return `<table:table-row>${number}${text(address(n))}${text(address((n * 7919) % rows))}</table:table-row>`;
      });
      yield '</table:table></office:spreadsheet></office:body></office:document-content>';
    },
  };
}
