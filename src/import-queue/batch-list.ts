import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { type BatchResource, batchResource } from '../batches/batch-resource.js';
import { type BatchRow, selectBatches } from '../batches/batch-rows.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import type { ListBatchesDto } from './batches.dto.js';

const LIST = 'Batches';

/** Batches newest first, page by page. */
@Injectable()
export class BatchList {
  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
  ) {}

  /** @throws DomainError 400 `invalid_cursor` */
  async page(query: ListBatchesDto, principal: Principal): Promise<Page<BatchResource>> {
    const rows = await selectBatches(this.database, {
      ...conditionsOf(query, principal),
      limit: query.limit + 1,
    });
    return pageOf(
      rows,
      query.limit,
      ({ id }) => encodeCursor(LIST, [id]),
      (row: BatchRow) => batchResource(row, this.config.publicUrl),
    );
  }
}

function conditionsOf(query: ListBatchesDto, principal: Principal) {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const add = (condition: (parameter: string) => string, value: unknown) => {
    values.push(value);
    conditions.push(condition(`$${values.length + 1}`));
  };
  if (query.after !== undefined) {
    add((id) => `b.workflow_import_queue_batch_id < ${id}`, decodeCursor(LIST, query.after, HIGHEST_ID)[0]);
  }
  if (query.status !== undefined) add((status) => `b.status = ${status}`, query.status);
  if (query.importProcessId !== undefined) {
    add((id) => `b.import_process_id = ${id}`, query.importProcessId);
  }
  if (query.creationPath !== undefined) {
    const stored = [query.creationPath, `IMPORT_QUEUE_API:${query.creationPath}`];
    add((paths) => `b.creation_path = ANY (${paths}::text[])`, stored);
  }
  if (query.q !== undefined) add((pattern) => `b.file_name ILIKE ${pattern}`, containing(query.q));
  if (principal.importProcessIds !== null) {
    add((ids) => `b.import_process_id = ANY (${ids}::bigint[])`, principal.importProcessIds);
  }
  return { conditions, values };
}

function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}
