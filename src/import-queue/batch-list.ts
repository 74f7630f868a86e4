import { Injectable } from '@nestjs/common';
import { selectActorsNamed } from '../auth/audit-log.sql.js';
import { endOf } from '../auth/audit-trail.js';
import type { Principal } from '../auth/principal.js';
import { apiCreationPath } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { type BatchRow, selectBatches } from '../batches/batch-rows.sql.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import { QueuePauses } from '../platform/queue/queues.js';
import type { ListBatchesDto } from './batches.dto.js';

const LIST = 'Batches';

/** Batches newest first, page by page. */
@Injectable()
export class BatchList {
  constructor(
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly pauses: QueuePauses,
  ) {}

  /** @throws DomainError 400 `invalid_cursor` */
  async page(query: ListBatchesDto, principal: Principal): Promise<Page<BatchResource>> {
    const { after, status, importProcessId, creationPath, q, createdAfter, createdBefore, createdBy } = query;
    const rows = await selectBatches(this.database, {
      beforeId: after === undefined ? undefined : decodeCursor(LIST, after, HIGHEST_ID)[0],
      statuses: status?.split(','),
      importProcessId,
      creationPaths: creationPath === undefined ? undefined : [creationPath, apiCreationPath(creationPath)],
      fileNamePart: q,
      createdFrom: createdAfter === undefined ? undefined : new Date(createdAfter),
      createdUntil: createdBefore === undefined ? undefined : endOf(createdBefore),
      createdByAny: createdBy === undefined ? undefined : await selectActorsNamed(this.database, createdBy),
      importProcessIds: principal.importProcessIds,
      createdBy: principal.permissions.includes('ViewImports') ? undefined : principal.id,
      limit: query.limit + 1,
    });
    await this.pauses.readSoon();
    return pageOf(
      rows,
      query.limit,
      ({ id }) => encodeCursor(LIST, [id]),
      (row: BatchRow) => this.batches.resourceOf(row),
    );
  }
}
