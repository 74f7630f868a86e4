import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { Response } from 'express';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { BatchReader } from '../batches/batch-reader.js';
import { RecordSet } from '../batches/record-pages.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { contentDisposition, downloadName } from '../platform/http/downloads.js';
import type { DownloadResultsDto } from './batches.dto.js';
import { csvLines, jsonLines } from './result-lines.js';

const TYPES = {
  jsonl: 'application/jsonl; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
} as const;

/** Streams the records of a batch as a file. */
@Injectable()
export class ResultDownload {
  private readonly logger = new Logger(ResultDownload.name);

  constructor(
    private readonly batches: BatchReader,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Reads more records only after the client has received the previous ones. All refusals come before the first byte. A
   * later failure cuts the connection, so that an incomplete file never looks complete.
   */
  async send(id: number, query: DownloadResultsDto, principal: Principal, response: Response): Promise<void> {
    const { fileName } = await this.batches.rowWithRecords(id, principal);
    const left = new AbortController();
    response.once('close', () => left.abort());
    try {
      const records = await RecordSet.of(this.database, id, query.set, left.signal);
      const lines =
        query.format === 'csv' ? csvLines(records, await this.batches.sentColumns(id)) : jsonLines(records);
      const first = await lines.next();
      if (response.req.method !== 'HEAD') {
        await writeAudit(this.database, {
          actor: principal.id,
          action: 'results_downloaded',
          subject: `batch:${id}`,
          details: { set: query.set, format: query.format },
        });
      }
      response.setHeader('Content-Type', TYPES[query.format]);
      response.setHeader(
        'Content-Disposition',
        contentDisposition(downloadName(fileName, query.set, query.format)),
      );
      response.setHeader('Cache-Control', 'no-store');
      if (response.req.method === 'HEAD') response.end();
      else await pipeline(Readable.from(this.whole(id, first, lines), { highWaterMark: 1 }), response);
    } catch (error) {
      if (left.signal.aborted && !response.headersSent) return;
      if (!response.headersSent) throw error;
      if (!clientWentAway(error)) this.logger.error(`The download of batch ${id} broke off`, error);
    }
  }

  /** Ends with an error if records were deleted during the download, so that the file does not look complete. */
  private async *whole(
    id: number,
    first: IteratorResult<string, void>,
    rest: AsyncIterable<string>,
  ): AsyncGenerator<string, void, undefined> {
    if (first.done === true) return;
    yield first.value;
    yield* rest;
    await this.batches.rowWithRecords(id);
  }
}

function clientWentAway(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}
