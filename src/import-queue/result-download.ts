import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Response } from 'express';
import { selectLastErasure, writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { BatchReader, type BatchRow } from '../batches/batch-reader.js';
import { isTerminal } from '../batches/batch-state.js';
import { RecordSet } from '../batches/record-pages.js';
import type { RecordRow } from '../batches/record-pages.sql.js';
import { BYTE_ORDER_MARK, csvLine, workbookText } from '../formats/csv/csv-cells.js';
import { textEncoding, type TextEncoding } from '../formats/text-encoding.js';
import {
  sheetColumn,
  type SheetColumn,
  WORKBOOK_TYPE,
  writeWorkbook,
  type WrittenRow,
} from '../formats/workbook/workbook-writer.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { delimiterOf, encodingOf } from '../import-processes/reading.dto.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { PROGRAM_VERSION } from '../platform/database/installation.js';
import { DomainError } from '../platform/errors.js';
import { contentDisposition, downloadName, sendDownload } from '../platform/http/answers.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { ResultFormat } from '../records/record-status.js';
import type { RecordError } from '../records/target.js';
import type { DownloadResultsDto } from './batches.dto.js';
import { ResultTable } from './result-table.js';

/** Streams the records of a batch as a file. */
@Injectable()
export class ResultDownload {
  private readonly logger = new Logger(ResultDownload.name);

  constructor(
    private readonly batches: BatchReader,
    private readonly processes: CompiledImportProcesses,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Reads more records only after the client has received the previous ones. All refusals come before the first byte. A
   * later failure cuts the connection, so that an incomplete file never looks complete.
   */
  async send(id: number, query: DownloadResultsDto, principal: Principal, response: Response): Promise<void> {
    const batch = await this.batches.rowWithRecords(id, principal);
    const left = new AbortController();
    response.once('close', () => left.abort());
    const records = await RecordSet.of(this.database, id, query.set, left.signal);
    const format = query.format ?? (await this.sentFormat(id));
    const open = () => this.file(batch, format, query, records);
    const file = await open();
    const { type, suffix, extension } = file;
    const tag = await this.tagOf(batch, format, query);
    const name = downloadName(batch.fileName, `${query.set}${suffix}`, extension);
    if (response.req.method !== 'HEAD') {
      await writeAudit(this.database, {
        actor: principal.id,
        action: 'results_downloaded',
        subject: `batch:${id}`,
        details: { set: query.set, format },
      });
    }
    const opened = [file];
    const content = () => this.whole(id, async () => opened.pop() ?? open());
    const download = { type, disposition: contentDisposition(name), tag, content };
    await sendDownload(response, download, this.logger);
  }

  /**
   * The same for the same bytes: the outcomes of an ended batch stay as they are until its records are deleted, or a
   * person in them is erased. A workbook states when it was made.
   */
  private async tagOf(
    { id, status, finishedAt }: BatchRow,
    format: ResultFormat,
    { set, shape, delimiter, encoding, bom }: DownloadResultsDto,
  ): Promise<string | undefined> {
    if (!isTerminal(status) || format === 'xlsx') return undefined;
    const facts = [id, finishedAt, format, set, shape, delimiter, encoding, bom];
    const changes = [PROGRAM_VERSION, await selectLastErasure(this.database)];
    return createHash('sha256')
      .update(JSON.stringify([facts, changes]))
      .digest('base64url');
  }

  /** The format of the file that was sent; ODS is not written. */
  private async sentFormat(id: number): Promise<ResultFormat> {
    const format = (await this.batches.sourceFile(id))?.understood.format ?? 'jsonl';
    return format === 'ods' ? 'xlsx' : format;
  }

  private async file(
    batch: BatchRow,
    format: ResultFormat,
    query: DownloadResultsDto,
    records: RecordSet,
  ): Promise<ResultFile> {
    if (format === 'jsonl') return jsonLinesFile(records, query.shape);
    const source = { batchId: batch.id, records, reader: this.batches };
    if (format === 'csv') return csvFile(source, query);
    return workbookFile(source, await this.schemaOf(batch));
  }

  /** Rows whose rules are gone, because their target is no longer built in, are still downloaded, as text. */
  private async schemaOf(batch: BatchRow): Promise<JsonObject> {
    const { importProcessId, importProcessVersion, workflowVersion } = batch;
    try {
      return (await this.processes.get(importProcessId, importProcessVersion, workflowVersion)).compiled
        .schema;
    } catch (error) {
      if (error instanceof DomainError) return {};
      throw error;
    }
  }

  /** Ends with an error if records were deleted during the download, so that the file does not look complete. */
  private async *whole(
    id: number,
    open: () => Promise<ResultFile>,
  ): AsyncGenerator<string | Buffer, void, undefined> {
    yield* (await open()).pieces;
    await this.batches.rowWithRecords(id);
  }
}

/** A download that is ready to be sent. */
interface ResultFile {
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
function jsonLinesFile(records: RecordSet, shape: DownloadResultsDto['shape']): ResultFile {
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
async function workbookFile(
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

type ErrorResource = Omit<RecordError, 'pointer'> & { pointer: string | null };

/** The structure of the JSON that `recordJson` writes. */
export interface RecordResource extends Pick<
  RecordRow,
  'line' | 'status' | 'operation' | 'reference' | 'attempts'
> {
  row: number;
  originLine?: number;
  error: ErrorResource | null;
  /** At most ten; the first is `error`. */
  errors: ErrorResource[];
  record: JsonObject;
}

/**
 * A record as JSON text. The payload is inserted with the exact characters that were sent. After parsing and
 * serializing, 1e400 would be null and 12345678901234567890 a different number.
 * @param inList adds what `GET …/Records` answers and a line of a download does not have
 */
export function recordJson(row: RecordRow, inList: boolean): string {
  const error = errorOf(row);
  const head = JSON.stringify({
    line: row.line,
    ...(inList && { row: row.row ?? row.line }),
    // Most records have no origin line, and omit the member.
    ...(row.originLine !== null && { originLine: row.originLine }),
    status: row.status,
    operation: row.operation,
    reference: row.reference,
    ...(inList && { attempts: row.attempts }),
    error,
    ...(inList && { errors: row.errors ?? (error === null ? [] : [error]) }),
  });
  return `${head.slice(0, -1)},"record":${row.payload}}`;
}

function errorOf(row: RecordRow) {
  if (row.errorCode === null) return null;
  return { code: row.errorCode, message: row.errorMessage, pointer: row.errorPointer };
}
