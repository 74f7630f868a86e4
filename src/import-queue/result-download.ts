import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Response } from 'express';
import { writeAudit } from '../auth/audit.js';
import { selectLastErasure } from '../auth/audit-events.sql.js';
import type { Principal } from '../auth/principal.js';
import { type BatchRow, BatchReader } from '../batches/batch-reader.js';
import { isTerminal } from '../batches/batch-state.js';
import { RecordSet } from '../batches/record-pages.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { PROGRAM_VERSION } from '../platform/database/schema-fit.js';
import { DomainError } from '../platform/domain-error.js';
import { contentDisposition, downloadName, sendDownload } from '../platform/http/downloads.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { ResultFormat } from '../records/record-status.js';
import type { DownloadResultsDto } from './batches.dto.js';
import { csvFile, jsonLinesFile, type ResultFile, workbookFile } from './result-files.js';

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
