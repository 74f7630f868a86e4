import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { BatchReader, type BatchRow } from '../batches/batch-reader.js';
import { isPreviewable } from '../batches/batch-state.js';
import { selectChunksToPreview } from '../batches/chunks.sql.js';
import {
  beginPreviewRun,
  ChunkPreview,
  claimLostPreviewRun,
  endPreviewRun,
  insertPreview,
  type PreviewedChunk,
  type PreviewedRecord,
  previewedRecords,
  type PreviewResult,
  renewPreviewRun,
  selectPreviewChunks,
  selectPreviewCounts,
  storedOperation,
  type WholePreview,
} from '../batches/previews.sql.js';
import { RecordPages } from '../batches/record-pages.js';
import { selectShownRows } from '../batches/record-pages.sql.js';
import { type InvalidRecord, selectInvalidRecords } from '../batches/refused-records.sql.js';
import { selectPendingRecords } from '../batches/records.sql.js';
import { builtInTarget, CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { workAhead, WorkLoop } from '../platform/concurrency.js';
import { holdLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { DomainError, errorStack } from '../platform/errors.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page } from '../platform/http/pagination.js';
import { LaterKeys } from '../records/rows.js';
import type { ImportRecord, PreviewRun } from '../records/target.js';
import { TargetRegistry } from '../targets/targets.module.js';
import {
  batchStateConflict,
  beingPreviewed,
  previewNotSupported,
  tooManyToPreview,
} from './import-queue.errors.js';

/**
 * Records of a chunk that are previewed together. What is needed to resolve them takes ten times the memory of the
 * preview; with 1,000 of them, it outlived the space for young objects, and the process grew by 100 MB.
 */
const AT_A_TIME = 250;
/** PostgreSQL looks up what so many pieces find while this process resolves the piece before them. */
const LOOKED_UP_AHEAD = 2;

type ChunkToPreview = Awaited<ReturnType<typeof selectChunksToPreview>>[number];

/** Some records of one chunk. */
interface Piece {
  chunkNumber: number;
  /** The place of the chunk among all that are previewed. */
  place: number;
  records: readonly ImportRecord[];
  /** The number of records of the chunk, with its last piece; else `null`. */
  chunkSize: number | null;
}

/** The records of all chunks, in line order. The next chunk is read while the pieces of this one are used. */
async function* pieces(
  transaction: Transaction,
  batchId: number,
  chunks: readonly ChunkToPreview[],
): AsyncGenerator<Piece> {
  const read = async (chunk: ChunkToPreview | undefined) =>
    chunk === undefined ? [] : selectPendingRecords(transaction, batchId, chunk.firstLine, chunk.lastLine);
  let reading = read(chunks[0]);
  for (const [place, { chunkNumber }] of chunks.entries()) {
    const records = await reading;
    reading = read(chunks[place + 1]);
    // Its error is thrown when its turn comes.
    reading.catch(() => undefined);
    for (let at = 0; at === 0 || at < records.length; at += AT_A_TIME) {
      const isLast = at + AT_A_TIME >= records.length;
      const chunkSize = isLast ? records.length : null;
      yield { chunkNumber, place, records: records.slice(at, at + AT_A_TIME), chunkSize };
    }
  }
}

/**
 * Previews every chunk in line order and stores the effects that its records would have; all or nothing.
 * @param progress told the number of records so far after each chunk; throws to stop
 */
async function makePreview(
  transaction: Transaction,
  batchId: number,
  run: PreviewRun,
  progress: (records: number) => void,
): Promise<void> {
  const chunks = await selectChunksToPreview(transaction, batchId);
  const keys = new LaterKeys(chunks.map(({ orderingKeys }) => orderingKeys));
  const lookedUp = workAhead(pieces(transaction, batchId, chunks), LOOKED_UP_AHEAD, async (piece) => ({
    ...piece,
    found: await run.lookUp(piece.records),
  }));
  let preview = new ChunkPreview();
  let stored = Promise.resolve();
  let previewed = 0;
  for await (const { found, place, chunkNumber, chunkSize } of lookedUp) {
    const outcomes = found.foresee((key, here) => keys.beside(place, key, here));
    preview.add(outcomes.sort((a, b) => a.line - b.line));
    if (chunkSize === null) continue;
    await stored;
    previewed += chunkSize;
    progress(previewed);
    const whole = place === chunks.length - 1 ? await wholePreview(run) : null;
    stored = insertPreview(transaction, batchId, chunkNumber, preview, whole);
    // Its error is thrown when the next chunk is to be stored.
    stored.catch(() => undefined);
    preview = new ChunkPreview();
  }
  await stored;
}

async function wholePreview(run: PreviewRun): Promise<WholePreview> {
  return { sameThings: run.sameThings ?? [], existing: (await run.existingThings?.()) ?? null };
}

function tooLateForPreview(batchId: number, status: string): DomainError {
  return batchStateConflict(
    `Batch ${batchId} is ${status} and has no preview: a preview is made while an upload awaits confirmation, and for dry runs.`,
    status,
  );
}

/** Limits the memory of a preview: eight bytes per identifier, and the data that later records may need. */
const MOST_PREVIEWED = 1_000_000;
/** An upload of at most this many records answers with its preview; a larger one is previewed after the answer. */
const ANSWERED_AT_ONCE = 200_000;
const LIST = 'Preview';
const CHUNKS_AT_A_TIME = 4;
const SIGN_OF_LIFE_MS = 2_000;
const LOOK_FOR_LOST_MS = 30_000;
/** The highest value of the column for chunk numbers. */
const HIGHEST_CHUNK = 2 ** 31 - 1;

function invalidRecord({ line, row, errorCode, errorMessage, errorPointer }: InvalidRecord): PreviewedRecord {
  const pointer = errorPointer ?? undefined;
  const error = {
    code: errorCode ?? '',
    message: errorMessage ?? '',
    ...(pointer !== undefined && { pointer }),
  };
  return { line, row: row ?? line, operation: 'invalid', reference: null, changes: [], error };
}

export type PreviewPage = Page<PreviewedRecord>;

export interface PreviewQuery {
  operation?: PreviewResult;
  limit: number;
  after?: string;
}

/**
 * Shows the effects of an upload or a dry run. The preview of a large one is made after the answer. As a loop, it makes
 * the previews whose process has died.
 */
@Injectable()
export class PreviewService extends WorkLoop {
  constructor(
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly pages: RecordPages,
    private readonly processes: CompiledImportProcesses,
    private readonly targets: TargetRegistry,
  ) {
    super({
      intervalMs: LOOK_FOR_LOST_MS,
      begins: 'after a pause',
      failure: 'a preview could not be made',
    });
  }

  /** After an upload: starts the preview if there can be one, and waits for it if the upload is small. */
  async prepare(batchId: number): Promise<void> {
    const batch = await this.batches.row(batchId);
    const valid = validRecords(batch);
    if (valid > MOST_PREVIEWED) return;
    // The upload itself is stored. An error here shows up again when a user requests the preview.
    try {
      if (valid <= ANSWERED_AT_ONCE) await this.make(batchId);
      else if (await this.isSupported(batch)) await this.begin(batch);
    } catch (error) {
      this.logger.warn(`Batch ${batchId} has no preview yet: ${String(error)}`);
    }
  }

  /** Starts to make a preview in the background, unless some process does so. */
  private async begin(batch: BatchRow): Promise<void> {
    if (await beginPreviewRun(this.database, batch.id, validRecords(batch))) void this.run(batch.id);
  }

  /** Makes a preview that was announced. */
  private async run(batchId: number): Promise<void> {
    let previewed = 0;
    const alive = setInterval(() => {
      renewPreviewRun(this.database, batchId, previewed).catch((error: unknown) => {
        this.logger.warn(`The preview of batch ${batchId} shows no sign of life: ${String(error)}`);
      });
    }, SIGN_OF_LIFE_MS).unref();
    try {
      await this.make(batchId, (records) => {
        // Another process, or this one after its next start, makes it from the beginning.
        this.stopSignal.throwIfAborted();
        previewed = records;
      });
    } catch (error) {
      if (this.stopSignal.aborted) return;
      // For example, it was confirmed meanwhile. Only a fault of the program is worth a log entry.
      if (!(error instanceof DomainError))
        this.logger.error({ message: 'a preview could not be made', batchId }, errorStack(error));
    } finally {
      clearInterval(alive);
    }
    await endPreviewRun(this.database, batchId).catch((error: unknown) => {
      this.logger.warn(`The preview of batch ${batchId} could not be ended: ${String(error)}`);
    });
  }

  /** Makes the previews whose process has died. */
  protected override async pass(): Promise<void> {
    let lost = await claimLostPreviewRun(this.database);
    while (lost !== null && !this.stopSignal.aborted) {
      await this.run(lost);
      lost = await claimLostPreviewRun(this.database);
    }
  }

  /** @throws DomainError 404, 403; 409 if there is no preview and there cannot be one; 400 `invalid_cursor` */
  async page(batchId: number, query: PreviewQuery, principal: Principal): Promise<PreviewPage> {
    const batch = await this.batches.rowWithRecords(batchId, principal);
    if (query.operation === 'invalid') return this.invalidPage(batchId, query);
    const operation = query.operation === undefined ? undefined : storedOperation(query.operation);
    const [chunk, line] =
      query.after === undefined ? [0, 0] : decodeCursor(LIST, query.after, HIGHEST_CHUNK, HIGHEST_ID);
    await this.ensure(batch);
    const items: PreviewedRecord[] = [];
    let place = { chunkNumber: chunk, operation };
    for (;;) {
      const chunks = await selectPreviewChunks(this.database, batchId, place, CHUNKS_AT_A_TIME);
      for (const each of chunks) {
        for (const record of await this.recordsOf(batchId, each, query.operation)) {
          if (record.line <= line) continue;
          if (items.length === query.limit) {
            return { items, nextCursor: encodeCursor(LIST, [place.chunkNumber, items.at(-1)?.line ?? 0]) };
          }
          items.push(record);
          place = { ...place, chunkNumber: each.chunkNumber };
        }
      }
      if (chunks.length < CHUNKS_AT_A_TIME) return { items, nextCursor: null };
      place = { ...place, chunkNumber: (chunks.at(-1)?.chunkNumber ?? 0) + 1 };
    }
  }

  /** The records of a chunk with what they would do, in line order; without an operation also its invalid records. */
  private async recordsOf(
    batchId: number,
    chunk: PreviewedChunk,
    operation: PreviewResult | undefined,
  ): Promise<PreviewedRecord[]> {
    const { firstLine, lastLine, invalid } = chunk;
    const rows = await selectShownRows(this.database, batchId, firstLine, lastLine);
    const previewed = previewedRecords(chunk, rows).filter(
      (record) => operation === undefined || record.operation === operation,
    );
    if (operation !== undefined || invalid === 0) return previewed;
    const refused = await selectInvalidRecords(this.database, batchId, firstLine, lastLine);
    return [...previewed, ...refused.map(invalidRecord)].sort((a, b) => a.line - b.line);
  }

  private async invalidPage(batchId: number, { limit, after }: PreviewQuery): Promise<PreviewPage> {
    const { rows, nextCursor } = await this.pages.page(batchId, { statuses: ['invalid'], limit, after });
    return { items: rows.map(invalidRecord), nextCursor };
  }

  /** Makes the preview of a small batch if it does not exist. @throws DomainError 409 while that of a large one is made */
  private async ensure(batch: BatchRow): Promise<void> {
    if ((await selectPreviewCounts(this.database, batch.id)) !== null) return;
    const isLarge = validRecords(batch) > ANSWERED_AT_ONCE && validRecords(batch) <= MOST_PREVIEWED;
    if (!isLarge || !isPreviewable(batch.status) || !(await this.isSupported(batch)))
      return this.make(batch.id);
    await this.begin(batch);
    throw beingPreviewed(batch.id);
  }

  /** Makes the preview if it does not exist. Two concurrent calls make only one. */
  private async make(batchId: number, progress: (records: number) => void = () => undefined): Promise<void> {
    if ((await selectPreviewCounts(this.database, batchId)) !== null) return;
    const batch = await this.batches.row(batchId);
    if (!isPreviewable(batch.status)) throw tooLateForPreview(batchId, batch.status);
    if (validRecords(batch) > MOST_PREVIEWED) throw tooManyToPreview(MOST_PREVIEWED);
    const { pinned, compiled } = await this.configurationOf(batch);
    const target = builtInTarget(this.targets, pinned.target.kind);
    if (target.preview === undefined) throw previewNotSupported(target.kind);
    const begin = target.preview.bind(target);
    await this.database.transaction(async (transaction) => {
      await holdLock(transaction, 'preview', batchId);
      if ((await selectPreviewCounts(transaction, batchId)) !== null) return;
      await makePreview(
        transaction,
        batchId,
        await begin({ compiled, sql: this.database.lookUps(transaction) }),
        progress,
      );
      // What it found is about a state that processing has begun to change.
      const { status } = await this.batches.row(batchId);
      if (!isPreviewable(status)) throw tooLateForPreview(batchId, status);
    });
  }

  private async isSupported(batch: BatchRow): Promise<boolean> {
    const { pinned } = await this.configurationOf(batch);
    return builtInTarget(this.targets, pinned.target.kind).preview !== undefined;
  }

  private configurationOf({ importProcessId, importProcessVersion, workflowVersion }: BatchRow) {
    return this.processes.get(importProcessId, importProcessVersion, workflowVersion);
  }
}

function validRecords({ total, invalid }: BatchRow): number {
  return total - invalid;
}
