import { Injectable } from '@nestjs/common';
import { assertMayPrepare, maySetDefaults } from '../auth/access.js';
import { writeAudit } from '../auth/audit.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, mailAddresses, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { abandonBatch, lockUpload } from '../batches/batches.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectNextRecords } from '../batches/record-pages.sql.js';
import { type ColumnMapping, type CsvColumn, refuseDuplicates } from '../formats/csv/csv-columns.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { RECORD_STATUSES } from '../records/record-status.js';
import { PreviewService } from './preview.service.js';
import { findColumns, renameMembers } from './upload-columns.js';

/**
 * Maps the columns of a CSV file that awaits confirmation to columns of the import process. The rows are already in the
 * database: they are stored again under the right names and checked again, so the file need not be sent again.
 */
@Injectable()
export class ColumnMappingService {
  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly previews: PreviewService,
  ) {}

  /**
   * Replaces the batch with a new one, which is the answer, and abandons the old one. When the new batch is confirmed,
   * the mapping is saved for later files of the import process.
   * @param mapping header to column of a row, or to `null`; columns that are not listed stay unchanged
   * @throws DomainError 404 `batch_not_found`, 409 `state_conflict` unless it awaits confirmation and has columns,
   *   400 `duplicate_columns`
   */
  async apply(batchId: number, mapping: ColumnMapping, principal: Principal): Promise<BatchResource> {
    const upload = await this.reader.get(batchId, principal);
    assertMayPrepare(principal, upload);
    const { pinned, compiled } = await this.processes.forNewBatch(upload.importProcessId, principal);
    const id = await this.database.transaction(async (transaction) => {
      const earlier = await lockUpload(transaction, batchId);
      if (earlier?.status !== 'awaiting_confirmation' || !earlier.upload) throw cannotBeMapped(batchId);
      const { understood: earlierUnderstood, mapping: earlierMapping = [], emptyCells = 0 } = earlier.upload;
      const { columns: before } = earlierUnderstood;
      if (before === null) throw cannotBeMapped(batchId);
      const columns = before.map((column) => mapped(column, mapping));
      refuseDuplicates(columns);

      const understood = { ...earlierUnderstood, columns };
      const successor = transaction.manager.create(ImportQueueBatchEntity, {
        fileName: earlier.fileName,
        creationPath: UI_CREATION_PATH,
        createdBy: principal.id,
        ...pinnedTo(pinned),
        ...mailAddresses(earlier),
      });
      const names = newNames(before, columns);
      const select = async (after: number, limit: number) =>
        (await selectNextRecords(transaction, batchId, RECORD_STATUSES, after, limit)).map((record) => ({
          ...record,
          payload: renameMembers(record.payload, names),
        }));
      await this.maker.save(
        transaction,
        successor,
        { kind: 'stored rows', select, compiled },
        ({ errorGroups }) => ({
          understood,
          columns: findColumns(understood, compiled.columns),
          errorGroups: errorGroups.all(),
          emptyCells,
          mapping: [...new Map([...earlierMapping, ...(maySetDefaults(principal) ? mapping : [])])],
        }),
      );
      await abandonBatch(transaction, batchId);
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'columns_changed',
        subject: `batch:${batchId}`,
        details: { successor: successor.id },
      });
      return successor.id;
    });
    await this.previews.prepare(id);
    return this.reader.get(id, principal);
  }
}

/** A column that was left out stays left out: its values are not stored, so the file would have to be sent again. */
function mapped({ header, target }: CsvColumn, mapping: ColumnMapping): CsvColumn {
  const said = mapping.get(header);
  return { header, target: said === undefined || target === null ? target : said };
}

/** Maps each present member of a row to its new name, or to `null` if its column is left out. */
function newNames(before: readonly CsvColumn[], after: readonly CsvColumn[]): Map<string, string | null> {
  const names = new Map<string, string | null>();
  for (const [index, { target }] of before.entries()) {
    if (target !== null) names.set(target, after[index]?.target ?? null);
  }
  return names;
}

function cannotBeMapped(batchId: number): DomainError {
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `Batch ${batchId} is not a CSV file that awaits confirmation, so its columns can no longer be changed.`,
  );
}
