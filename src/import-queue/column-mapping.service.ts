import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { storeBatch, UI_CREATION_PATH } from '../batches/batch-creation.js';
import { BatchReader } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { abandonBatch, lockUpload } from '../batches/batches.sql.js';
import { RecordCollector } from '../batches/record-collector.js';
import { selectUploadedLines } from '../batches/records.sql.js';
import { copyStoredRecords } from '../batches/stored-records-copier.js';
import type { UploadFindings } from '../batches/upload-findings.js';
import { type ColumnMapping, type CsvColumn, refuseDuplicates } from '../formats/csv/csv-columns.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
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
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly importProcesses: ImportProcessesService,
    private readonly compiledProcesses: CompiledImportProcesses,
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
    const { importProcessId } = await this.reader.get(batchId, principal);
    assertMayUse(principal, importProcessId);
    const process = await this.importProcesses.pin(importProcessId);
    const { compiled } = await this.compiledProcesses.get(
      process.id,
      process.version,
      process.workflowVersion,
    );
    const id = await this.database.transaction(async (transaction) => {
      const earlier = await lockUpload(transaction, batchId);
      if (earlier?.status !== 'awaiting_confirmation' || !earlier.upload) throw cannotBeMapped(batchId);
      const { understood: earlierUnderstood, mapping: earlierMapping = [] } = earlier.upload;
      const { columns: before } = earlierUnderstood;
      if (before === null) throw cannotBeMapped(batchId);
      const columns = before.map((column) => mapped(column, mapping));
      refuseDuplicates(columns);

      const rows = new RecordCollector(this.config.chunkSize);
      const understood = { ...earlierUnderstood, columns };
      const findings = (): UploadFindings => ({
        understood,
        columns: findColumns(understood, compiled.columns),
        errorGroups: rows.errorGroups.all(),
        mapping: [...new Map([...earlierMapping, ...mapping])],
      });
      const { fileName, sendSuccessEmailTo, sendFailureEmailTo } = earlier;
      const batch = {
        ...{ fileName, process, sendSuccessEmailTo, sendFailureEmailTo },
        creationPath: UI_CREATION_PATH,
        createdBy: principal.id,
        retryOf: null,
      };
      const names = new Map<string, string | null>();
      for (const [index, { target }] of before.entries()) {
        if (target !== null) names.set(target, columns[index]?.target ?? null);
      }
      const successor = await storeBatch(
        transaction,
        batch,
        rows,
        (writer) =>
          copyStoredRecords(
            async (after, limit) =>
              (await selectUploadedLines(transaction, batchId, after, limit)).map((record) => ({
                ...record,
                payload: renameMembers(record.payload, names),
              })),
            compiled,
            rows,
            writer,
          ),
        () => ({ status: 'awaiting_confirmation', upload: findings() }),
      );
      await abandonBatch(transaction, batchId);
      return successor;
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

function cannotBeMapped(batchId: number): DomainError {
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `Batch ${batchId} is no CSV file that awaits confirmation: what its columns stand for is settled.`,
  );
}
