import { Injectable } from '@nestjs/common';
import { assertMayRead, assertMayUse, mayRead, owns } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { PathIdPipe } from '../platform/http/validation.js';
import { CHUNK_QUEUE, QueuePauses } from '../platform/queue/queues.js';
import {
  type BatchResource,
  batchResource,
  type BatchSurroundings,
  type UploadState,
} from './batch-resource.js';
import { type BatchRow, selectBatches } from './batch-rows.sql.js';
import { selectChildren, selectSourceFile, selectUploadFindings, type SourceFile } from './batches.sql.js';
import { selectLeftOut } from './chunks.sql.js';
import { selectChangeCounts, selectPreviewCounts, selectPreviewProgress } from './previews.sql.js';
import { selectUploadOfBatch } from './uploads.sql.js';

export type { BatchRow } from './batch-rows.sql.js';

export function batchNotFound(id: number | string): DomainError {
  return new DomainError(
    404,
    'batch_not_found',
    'There is no such batch',
    `There is no batch ${id}. GET /API/WorkflowImportQueue/Batches lists those there are.`,
  );
}

export function batchExpired(id: number, expiredAt: Date): DomainError {
  return new DomainError(
    410,
    'batch_expired',
    'The records of the batch are no longer kept',
    `The records of batch ${id} were deleted at ${expiredAt.toISOString()}, by someone or at the end of their retention. Its counts are still at /API/WorkflowImportQueue/Batches/${id}.`,
  );
}

/** The id of a batch in a URL path. */
@Injectable()
export class BatchIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return batchNotFound(id);
  }
}

/** Reads one batch as it is now. */
@Injectable()
export class BatchReader {
  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
    private readonly pauses: QueuePauses,
  ) {}

  /**
   * The batch for a principal who reads it.
   * @throws DomainError 404 `batch_not_found`; 403 unless the principal may read it
   */
  async read(id: number, principal: Principal): Promise<BatchResource> {
    return this.resource(await this.row(id, principal), principal);
  }

  /**
   * The batch as the answer to a change. The findings of an upload quote its rows, so only principals who may read the
   * rows, or who sent them, get the findings.
   * @param principal absent when no request asks (notifications, workers)
   * @throws DomainError 404 `batch_not_found`; 403 when the principal may not use the import process
   */
  async get(id: number, principal?: Principal): Promise<BatchResource> {
    return this.resource(await this.row(id), principal);
  }

  private async resource(row: BatchRow, principal?: Principal): Promise<BatchResource> {
    if (principal !== undefined) assertMayUse(principal, row.importProcessId);
    const showsRows = principal === undefined || owns(principal, row) || mayRead(principal, row);
    const upload = showsRows ? await this.uploadState(row) : null;
    await this.pauses.readSoon();
    return batchResource(row, this.surroundings, upload);
  }

  private get surroundings(): BatchSurroundings {
    return { publicUrl: this.config.publicUrl, isQueuePaused: this.pauses.lastKnown.includes(CHUNK_QUEUE) };
  }

  private async uploadState({ id, status, fromFile }: BatchRow): Promise<UploadState | null> {
    // A dry run has findings, although its records come from no file.
    if (!fromFile && status !== 'validated') return null;
    const findings = await selectUploadFindings(this.database, id);
    if (findings === null) return null;
    const operations = await selectPreviewCounts(this.database, id);
    const changes = operations === null ? null : await selectChangeCounts(this.database, id);
    const stored = status === 'awaiting_confirmation' ? await selectUploadOfBatch(this.database, id) : null;
    const previewProgress = operations === null ? await selectPreviewProgress(this.database, id) : null;
    return { findings, operations, changes, previewProgress, stored };
  }

  /** The batch as it is stored. @throws DomainError 404 `batch_not_found`; 403 unless the principal may read it */
  async row(id: number, principal?: Principal): Promise<BatchRow> {
    const [row] = await selectBatches(this.database, { id, limit: 1 });
    if (row === undefined) throw batchNotFound(id);
    if (principal !== undefined) assertMayRead(principal, row);
    return row;
  }

  /**
   * The same, for a caller that will read the records of the batch.
   * @throws DomainError also 410 `batch_expired`
   */
  async rowWithRecords(id: number, principal?: Principal): Promise<BatchRow> {
    const row = await this.row(id, principal);
    if (row.expiredAt !== null) throw batchExpired(id, row.expiredAt);
    return row;
  }

  /** The resource for a row that was already read, without the findings that only uploads have. */
  resourceOf(row: BatchRow): BatchResource {
    return batchResource(row, this.surroundings);
  }

  /** The ids of the batches that resent records of this one, oldest first, including canceled ones. */
  retriesOf(id: number, limit: number): Promise<number[]> {
    return selectChildren(this.database, id, limit);
  }

  /** The file that the records come from; `null` if they do not come from a file. */
  sourceFile(id: number): Promise<SourceFile | null> {
    return selectSourceFile(this.database, id);
  }

  /** The cells of columns that are not imported, by line. */
  leftOut(id: number, firstLine: number, lastLine: number): Promise<Map<number, readonly string[]>> {
    return selectLeftOut(this.database, id, firstLine, lastLine);
  }
}
