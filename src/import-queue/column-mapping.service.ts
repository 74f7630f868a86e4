import { Injectable } from '@nestjs/common';
import { assertMayPrepare, maySetDefaults } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, mailAddresses, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { abandonBatch, lockUpload } from '../batches/batches.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { selectUploadedLines } from '../batches/records.sql.js';
import { type ColumnMapping, type CsvColumn, refuseDuplicates } from '../formats/csv/csv-columns.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { PreviewService } from './preview.service.js';
import { findColumns, renameMembers } from './upload-columns.js';

/**
 * Says of a CSV file that awaits confirmation what its columns stand for. Its rows are in the database: they are stored
 * once more under the names they should have had, and checked again; the file need not be sent again.
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
   * The batch that takes the place of the one it was; that one is abandoned. What the columns stand for is kept for
   * later files of the import process once the new one is confirmed.
   * @param mapping header to column of a row, or to nothing; columns it does not name stay as they are
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
        (await selectUploadedLines(transaction, batchId, after, limit)).map((record) => ({
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
      return successor.id;
    });
    await this.previews.prepare(id);
    return this.reader.get(id, principal);
  }
}

/** A column that was left out is not stored: only the file can bring it back. */
function mapped({ header, target }: CsvColumn, mapping: ColumnMapping): CsvColumn {
  const said = mapping.get(header);
  return { header, target: said === undefined || target === null ? target : said };
}

/** By the member that a row has now: the one it gets, or `null` if its column is left out. */
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
    `Batch ${batchId} is no CSV file that awaits confirmation: what its columns stand for is settled.`,
  );
}
