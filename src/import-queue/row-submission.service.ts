import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, type GivenRow, pinnedTo, UI_CREATION_PATH } from '../batches/batch-maker.js';
import { controlOf } from '../batches/batch-state.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { allErrors } from '../batches/records.sql.js';
import { emptyFile } from '../formats/format.errors.js';
import { DEFAULT_READING } from '../formats/reading.js';
import type { FileBytes } from '../formats/record-reader.js';
import type { ReadRecord } from '../formats/table-rows.js';
import { builtInTarget, CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { RowDescriptions } from '../import-processes/row-descriptions.js';
import { SavedMappingsService } from '../import-processes/saved-mappings.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { httpErrors } from '../platform/http/http.errors.js';
import type { JsonObject } from '../platform/json/json-value.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import type { CompiledTarget, PreviewedOutcome, RecordError } from '../records/target.js';
import { TargetRegistry } from '../targets/targets.module.js';
import { verdictOn } from './intake/table-intake.js';
import { firstRecord } from './upload-rows.js';

/** What an import would do with one row. */
export interface RowTrial {
  /** The row as it was read: a JSON object. */
  payload: string;
  errors: readonly RecordError[];
  /** `null` if the row is invalid, or if the target cannot know it before. */
  outcome: PreviewedOutcome | null;
}

/** Rows that a user wrote on a page: tried, or sent as a batch. The same rules apply as for all other batches. */
@Injectable()
export class RowSubmissionService {
  constructor(
    private readonly database: DatabaseService,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly scheduler: ChunkScheduler,
    private readonly rows: RowDescriptions,
    private readonly mappings: SavedMappingsService,
    private readonly targets: TargetRegistry,
    private readonly config: AppConfig,
  ) {}

  /**
   * What would happen to a row. Nothing is stored.
   * @param text a JSON object, or cells as a spreadsheet copies them: with their header, or in the order of the template
   * @throws DomainError 404 `import_process_not_found`, 400 `malformed_json`, and as Uploads for cells that cannot be read
   */
  async try(importProcessId: number, text: string): Promise<RowTrial> {
    const { pinned, compiled } = await this.rows.current(importProcessId);
    const record = /^\s*\{/.test(text)
      ? { row: objectIn(text), payload: text, errors: [], isMisshapen: false }
      : await this.pasted(importProcessId, text, compiled);
    const { payload } = record;
    const errors = allErrors(verdictOn(record, compiled));
    const target = builtInTarget(this.targets, pinned.target.kind);
    if (errors.length > 0 || target.preview === undefined) return { payload, errors, outcome: null };
    const preview = target.preview.bind(target);
    const [outcome = null] = await this.database.transaction(async (transaction) => {
      const run = await preview({ compiled, sql: this.database.lookUps(transaction) });
      return (await run.lookUp([{ line: 1, payload }])).foresee(() => false);
    });
    return { payload, errors, outcome };
  }

  private async pasted(importProcessId: number, text: string, compiled: CompiledTarget): Promise<ReadRecord> {
    const bytes = Buffer.from(text);
    const file: FileBytes = {
      size: bytes.length,
      pieces: () => Readable.from([bytes]),
      range: (start, end) => Promise.resolve(bytes.subarray(start, end)),
    };
    const saved = await this.mappings.list(importProcessId);
    const record = await firstRecord({
      ...{ file, saved, compiled, limits: this.config },
      reading: DEFAULT_READING,
    });
    if (record === null) throw emptyFile();
    return record;
  }

  /**
   * Answers the id of the batch once it is durable.
   * @param rows at least one, in line order
   * @param retryOf the batch that the rows come from, if any
   * @throws DomainError 404 `import_process_not_found`, 409 `import_process_disabled`, 403 `import_process_not_allowed`
   */
  async submit(
    importProcessId: number,
    fileName: string,
    rows: readonly GivenRow[],
    principal: Principal,
    retryOf: number | null = null,
  ): Promise<number> {
    const { pinned, compiled } = await this.processes.forNewBatch(importProcessId, principal);
    const id = await this.database.transaction(async (transaction) => {
      const batch = transaction.manager.create(ImportQueueBatchEntity, {
        fileName,
        creationPath: UI_CREATION_PATH,
        createdBy: principal.id,
        retryOf,
        ...pinnedTo(pinned),
      });
      await this.maker.save(
        transaction,
        batch,
        { kind: 'given rows', rows, compiled },
        controlOf(pinned, {}),
      );
      return batch.id;
    });
    await this.scheduler.advance(id);
    return id;
  }
}

/** @throws DomainError 400 `invalid_body` if the text is not a JSON object */
function objectIn(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw new SyntaxError('a row is one JSON object');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw httpErrors.invalid_body(`The row is not JSON: ${error.message}`, { cause: error });
  }
}
