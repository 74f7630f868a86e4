import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/assert-may-use.js';
import type { Principal } from '../../auth/principal.js';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { UI_CREATION_PATH } from '../creation-path.js';
import { batchExpired, batchNotFound } from './batch.errors.js';
import { type BatchResource, batchResource } from './batch-resource.js';
import { type BatchRow, selectBatches } from './select-batches.js';
import { selectUpload } from './select-upload.js';

/** Reads one batch as it is now. */
@Injectable()
export class BatchReader {
  constructor(
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
  ) {}

  /**
   * @param principal whoever asks; leave it out where nobody does (notifications, workers).
   * @throws DomainError 404 `batch_not_found`; 403 when the principal may not use the batch's import process.
   */
  async get(id: number, principal?: Principal): Promise<BatchResource> {
    const row = await this.row(id, principal);
    const upload = row.creationPath === UI_CREATION_PATH ? await selectUpload(this.database, id) : null;
    return batchResource(row, this.config.publicUrl, upload);
  }

  /** The same, as it is stored. */
  async row(id: number, principal?: Principal): Promise<BatchRow> {
    const [row] = await selectBatches(this.database, {
      conditions: ['b.workflow_import_queue_batch_id = $2'],
      values: [id],
      limit: 1,
    });
    if (row === undefined) throw batchNotFound(id);
    if (principal !== undefined) assertMayUse(principal, row.importProcessId);
    return row;
  }

  /**
   * The same, for whoever reads its records next.
   * @throws DomainError also 410 `batch_expired`
   */
  async rowWithRecords(id: number, principal?: Principal): Promise<BatchRow> {
    const row = await this.row(id, principal);
    if (row.expiredAt !== null) throw batchExpired(id, row.expiredAt);
    return row;
  }
}
