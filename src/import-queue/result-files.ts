import type { BatchReader } from '../batches/batch-reader.js';
import type { RecordSet } from '../batches/record-pages.js';
import { BYTE_ORDER_MARK, csvLine, workbookText } from '../formats/csv/csv-cells.js';
import { textEncoding, type TextEncoding } from '../formats/text/text-encoding.js';
import {
  sheetColumn,
  type SheetColumn,
  WORKBOOK_TYPE,
  writeWorkbook,
  type WrittenRow,
} from '../formats/workbook/workbook-writer.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { ResultFormat } from '../records/record-status.js';
import type { DownloadResultsDto } from './batches.dto.js';
import { recordJson } from './record-json.js';
import { ResultTable } from './result-table.js';
import { delimiterOf, encodingOf } from '../import-processes/reading.dto.js';

/** A download that is ready to be sent. */
export interface ResultFile {
  /** Value of Content-Type. */
  type: string;
  /** Follows the set in the name of the file, for example `failed-utf-8`. */
  suffix: string;
  extension: ResultFormat;
  pieces: AsyncIterable<string | Buffer>;
}

export interface ResultSource {
  batchId: number;
  records: RecordSet;
  reader: BatchReader;
}

/** JSON Lines: one record per line, with its outcome or exactly as it was sent. */
export function jsonLinesFile(records: RecordSet, shape: DownloadResultsDto['shape']): ResultFile {
  async function* pieces(): AsyncGenerator<string, void, undefined> {
    for await (const rows of records.pages()) {
      yield rows.map((row) => `${shape === 'record' ? row.payload : recordJson(row, false)}\n`).join('');
    }
  }
  return { type: 'application/jsonl; charset=utf-8', suffix: '', extension: 'jsonl', pieces: pieces() };
}

const UTF_8 = 'utf-8';

/**
 * CSV with the delimiter and the encoding of the file that was sent, unless the query has others. If the encoding lacks
 * a character of a value, the file is UTF-8 and says so in its name.
 */
export async function csvFile(
  { batchId, records, reader }: ResultSource,
  query: Pick<DownloadResultsDto, 'delimiter' | 'encoding' | 'bom'>,
): Promise<ResultFile> {
  const sent = (await reader.sourceFile(batchId))?.understood;
  const isCsv = sent?.format === 'csv';
  const delimiter = delimiterOf(query.delimiter) ?? (isCsv ? sent.delimiter : null) ?? ',';
  const wanted = textEncoding(encodingOf(query.encoding) ?? (isCsv ? sent.encoding : null) ?? UTF_8);
  const table = await ResultTable.of(batchId, records, reader, { encoding: wanted, isWorkbook: false });
  const isChanged = wanted === null || table.losesCharacters;
  const encoding = isChanged ? utf8() : wanted;
  const hasMark = encoding.encoding === UTF_8 && query.bom !== 'false';

  async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
    yield encoding.encode((hasMark ? BYTE_ORDER_MARK : '') + csvLine(table.headers, delimiter));
    for await (const rows of records.pages()) {
      const lines = (await table.cells(rows)).map((cells) => csvLine(cells, delimiter));
      yield encoding.encode(lines.join(''));
    }
  }
  return {
    type: `text/csv; charset=${encoding.encoding}; header=present`,
    suffix: isChanged ? `-${UTF_8}` : '',
    extension: 'csv',
    pieces: pieces(),
  };
}

function utf8(): TextEncoding {
  const encoding = textEncoding(UTF_8);
  if (encoding === null) throw new Error('UTF-8 can always be written');
  return encoding;
}

/** XLSX with real dates and numbers. Cells that were refused are red and have the reason as a note. */
/** @param schema JSON Schema of a row, which tells dates and numbers */
export async function workbookFile(
  { batchId, records, reader }: ResultSource,
  schema: JsonObject,
): Promise<ResultFile> {
  const table = await ResultTable.of(batchId, records, reader, { encoding: null, isWorkbook: true });
  const columns = table.headers.map((header, index): SheetColumn => {
    const member = table.members[index] ?? null;
    if (member === null) return { header, kind: kindOfAdded(header) };
    // No pick lists: a value that was refused is in none.
    return { header, kind: sheetColumn(header, member, schema).kind };
  });
  async function* rows(): AsyncGenerator<WrittenRow[], void, undefined> {
    for await (const page of records.pages()) {
      const cells = await table.cells(page);
      yield page.map((row, index) => ({
        cells: (cells[index] ?? []).map((text) => text && workbookText(text)),
        marked: table.marked(row),
      }));
    }
  }
  const pieces = writeWorkbook({ name: 'Rows', columns, rows: rows() });
  return {
    type: WORKBOOK_TYPE,
    suffix: '',
    extension: 'xlsx',
    pieces,
  };
}

function kindOfAdded(header: string): SheetColumn['kind'] {
  return header === '_line' || header === '_batch' ? 'number' : 'text';
}
