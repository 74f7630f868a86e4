import { Injectable } from '@nestjs/common';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, pinnedTo, UNDO_CREATION_PATH } from '../batches/batch-maker.js';
import { batchExpired, batchNotFound, BatchReader, type BatchRow } from '../batches/batch-reader.js';
import type { BatchResource } from '../batches/batch-resource.js';
import { lockUndone, type UndoableBatch } from '../batches/batch-rows.sql.js';
import { isTerminal, mailAddresses, NO_CONTROL } from '../batches/batch-state.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import type { PreviewedRecord } from '../batches/previews.sql.js';
import { selectLineRanges } from '../batches/record-pages.sql.js';
import { type EffectiveRecord, type RecordToUndo, selectEffects } from '../batches/records.sql.js';
import { countSentBehaviors, selectSentBehaviors, type SentBehavior } from '../delivery/outbox.sql.js';
import type { CompiledImportProcess } from '../import-processes/import-process.js';
import { builtInTarget, CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page } from '../platform/http/pagination.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import type { PreviewedUndo, RecordTarget } from '../records/target.js';
import { TargetRegistry } from '../targets/targets.module.js';
import { alreadyUndone, batchStateConflict, undoNotSupported } from './import-queue.errors.js';

/** What the undo of a record would do. `unchanged`: an earlier, canceled undo has reverted the record. */
export const UNDO_RESULTS = ['reverted', 'kept', 'failed', 'unchanged'] as const;
export type UndoResult = (typeof UNDO_RESULTS)[number];

export interface PreviewedUndoRecord extends Omit<PreviewedRecord, 'operation'> {
  operation: UndoResult;
  /** Mails and webhooks that the record caused and that were sent. An undo does not take them back. */
  sent: SentMessage[];
}

export interface SentMessage {
  kind: 'mail' | 'webhook';
  /** Of a webhook only the host. */
  recipient: string;
  sentAt: string;
}

export interface UndoQuery {
  operation?: UndoResult;
  limit: number;
  after?: string;
}

/** What an undo would do in all, or to the first records of a large batch. */
export interface UndoSummary {
  counts: Record<UndoResult, number>;
  /** Whether the batch has more records than were counted. */
  isPartial: boolean;
  sent: { mails: number; webhooks: number };
}

const LIST = 'UndoPreview';
/** Records that one request examines at most, so that a filter with few matches answers in time. */
const MOST_EXAMINED = 5_000;
const STEP = 500;

/** Undoes an ended batch with another batch. The undone batch never changes. */
@Injectable()
export class UndoService {
  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly processes: CompiledImportProcesses,
    private readonly targets: TargetRegistry,
    private readonly maker: BatchMaker,
    private readonly scheduler: ChunkScheduler,
  ) {}

  /**
   * Creates the undo: the records that changed something, under their own line numbers, the last effect first. It uses
   * the version of the import process that the batch used, even if that has been disabled since.
   * @throws DomainError 404 `batch_not_found`, 410 `batch_expired`, 409 `state_conflict` if the batch has not ended or
   *   changed nothing, `already_undone` or `undo_not_supported`
   */
  async undo(batchId: number, principal: Principal): Promise<BatchResource> {
    await this.reader.get(batchId, principal);
    const undone = await this.reader.row(batchId);
    assertCanBeUndone(batchId, undone);
    const { target, compiled } = await this.targetOf(undone);
    const undoId = await this.database.transaction(async (transaction) => {
      const locked = await lockUndone(transaction, batchId);
      if (locked === undefined) throw batchNotFound(batchId);
      assertCanBeUndone(batchId, locked);
      const undo = transaction.manager.create(ImportQueueBatchEntity, {
        ...mailAddresses(locked),
        fileName: undone.fileName,
        creationPath: UNDO_CREATION_PATH,
        createdBy: principal.id,
        undoOf: batchId,
        lastLineFirst: !locked.lastLineFirst,
        ...pinnedTo({
          id: undone.importProcessId,
          version: undone.importProcessVersion,
          workflowVersion: undone.workflowVersion,
        }),
      });
      const context = { compiled, sql: transaction, undoneBatchId: batchId };
      const pages = recordsToUndo(transaction, batchId, undo.lastLineFirst, async (records) => {
        const keys = await target.undoKeys?.(records, context);
        return records.map((record) => ({ ...record, orderingKeys: keys?.get(record.line) ?? [] }));
      });
      await this.maker.save(transaction, undo, { kind: 'undo', pages }, NO_CONTROL);
      // The refusal rolls back the stored rows.
      if (undo.totalCount === 0) throw nothingToUndo(batchId, locked.status);
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'batch_undone',
        subject: `batch:${batchId}`,
        details: { undo: undo.id, records: undo.totalCount },
      });
      return undo.id;
    });
    await this.scheduler.advance(undoId);
    return this.reader.get(undoId, principal);
  }

  /** What `undo` would do now, by line. @throws DomainError as `undo` does; 400 `invalid_cursor` */
  async page(
    batchId: number,
    { operation, limit, after }: UndoQuery,
    principal: Principal,
  ): Promise<Page<PreviewedUndoRecord>> {
    const batch = await this.reader.row(batchId, principal);
    assertCanBeUndone(batchId, batch);
    let [line] = after === undefined ? [0] : decodeCursor(LIST, after, HIGHEST_ID);
    const items: PreviewedUndoRecord[] = [];
    for (let examined = 0; examined < MOST_EXAMINED;) {
      const records = await effectsAfter(this.database, batchId, line, Math.min(STEP, 2 * limit));
      if (records.length === 0) return { items, nextCursor: null };
      examined += records.length;
      for (const record of await this.previewed(batch, records)) {
        if (operation !== undefined && record.operation !== operation) continue;
        if (items.length === limit) {
          return { items, nextCursor: encodeCursor(LIST, [items.at(-1)?.line ?? line]) };
        }
        items.push(record);
      }
      line = records.at(-1)?.line ?? line;
    }
    return { items, nextCursor: encodeCursor(LIST, [line]) };
  }

  /** What `undo` would do now, in numbers. @throws DomainError as `undo` does */
  async summary(batchId: number, principal: Principal): Promise<UndoSummary> {
    const batch = await this.reader.row(batchId, principal);
    assertCanBeUndone(batchId, batch);
    const counts = { reverted: 0, kept: 0, failed: 0, unchanged: 0 };
    const { target, compiled } = await this.targetOf(batch);
    let line = 0;
    let isPartial = true;
    for (let examined = 0; examined < MOST_EXAMINED;) {
      const records = await effectsAfter(this.database, batchId, line, STEP);
      if (records.length === 0) {
        isPartial = false;
        break;
      }
      for (const outcome of await this.preview(target, compiled, batchId, records)) {
        counts[resultOf(outcome)] += 1;
      }
      examined += records.length;
      line = records.at(-1)?.line ?? line;
    }
    return { counts, isPartial, sent: await countSentBehaviors(this.database, batchId) };
  }

  private async previewed(
    batch: BatchRow,
    records: readonly EffectiveRecord[],
  ): Promise<PreviewedUndoRecord[]> {
    const { target, compiled } = await this.targetOf(batch);
    const outcomes = await this.preview(target, compiled, batch.id, records);
    const byLine = new Map(outcomes.map((outcome) => [outcome.line, outcome]));
    const references = records.flatMap(({ reference }) => reference ?? []);
    const sent = await selectSentBehaviors(this.database, batch.id, references);
    const sentByLine = Map.groupBy(sent, (message) => message.line);
    return records.flatMap(({ line, row, reference }) => {
      const outcome = byLine.get(line);
      if (outcome === undefined) return [];
      return {
        ...{ line, row: row ?? line, operation: resultOf(outcome), reference },
        changes: [...(outcome.changes ?? [])],
        error: 'error' in outcome ? outcome.error : null,
        sent: (sentByLine.get(line) ?? []).map(sentMessage),
      };
    });
  }

  private preview(
    target: UndoingTarget,
    compiled: CompiledImportProcess['compiled'],
    undoneBatchId: number,
    records: readonly EffectiveRecord[],
  ): Promise<PreviewedUndo[]> {
    return target.previewUndo(records, { compiled, sql: this.database, undoneBatchId });
  }

  private async targetOf({ importProcessId, importProcessVersion, workflowVersion }: BatchRow): Promise<{
    target: UndoingTarget;
    compiled: CompiledImportProcess['compiled'];
  }> {
    const process = await this.processes.get(importProcessId, importProcessVersion, workflowVersion);
    const target = builtInTarget(this.targets, process.pinned.target.kind);
    if (!canUndo(target) || target.canUndo?.(process.compiled) === false) throw undoNotSupported(target.kind);
    return { target, compiled: process.compiled };
  }
}

type UndoingTarget = RecordTarget & Required<Pick<RecordTarget, 'undo' | 'previewUndo'>>;

function canUndo(target: RecordTarget): target is UndoingTarget {
  return target.undo !== undefined && target.previewUndo !== undefined;
}

function assertCanBeUndone(
  batchId: number,
  { status, expiredAt, undoneBy }: Pick<UndoableBatch, 'status' | 'expiredAt' | 'undoneBy'>,
): void {
  if (expiredAt !== null) throw batchExpired(batchId, expiredAt);
  if (!isTerminal(status)) throw notEnded(batchId, status);
  if (undoneBy !== null) throw alreadyUndone(batchId, undoneBy);
}

function notEnded(batchId: number, status: string) {
  return batchStateConflict(
    `Batch ${batchId} is ${status}. It can be undone after it has ended; to end it now, cancel it.`,
    status,
  );
}

function nothingToUndo(batchId: number, status: string) {
  return batchStateConflict(
    `Batch ${batchId} cannot be undone: none of its records changed anything.`,
    status,
  );
}

/** The effects of a batch, chunk by chunk, in the order in which they are reverted. */
async function* recordsToUndo(
  sql: Sql,
  batchId: number,
  lastLineFirst: boolean,
  withKeys: (records: readonly EffectiveRecord[]) => Promise<RecordToUndo[]>,
): AsyncGenerator<RecordToUndo[]> {
  const ranges = await selectLineRanges(sql, batchId, ['succeeded']);
  if (lastLineFirst) ranges.reverse();
  for (const { first: firstLine, last: lastLine } of ranges) {
    const records = await withKeys(await selectEffects(sql, batchId, { firstLine, lastLine }));
    yield lastLineFirst ? records.reverse() : records;
  }
}

/** The next effects of a batch after a line, in line order; none only after the last one. */
async function effectsAfter(
  sql: Sql,
  batchId: number,
  after: number,
  limit: number,
): Promise<EffectiveRecord[]> {
  const found: EffectiveRecord[] = [];
  // `succeeded` includes records that changed nothing, so that the first ranges may not have enough.
  for (const { first, last } of await selectLineRanges(sql, batchId, ['succeeded'], after)) {
    const range = { firstLine: Math.max(first, after + 1), lastLine: last };
    found.push(...(await selectEffects(sql, batchId, range, limit - found.length)));
    if (found.length >= limit) break;
  }
  return found;
}

function resultOf({ operation }: PreviewedUndo): UndoResult {
  return operation === 'rejected' ? 'failed' : operation;
}

function sentMessage({ kind, recipient, sentAt }: SentBehavior): SentMessage {
  return { kind: kind === 'behavior_mail' ? 'mail' : 'webhook', recipient, sentAt: sentAt.toISOString() };
}
