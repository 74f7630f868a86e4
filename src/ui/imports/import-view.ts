import {
  API_CREATION_PATH,
  FIX_CREATION_PATH,
  UI_CREATION_PATH,
  UNDO_CREATION_PATH,
} from '../../batches/batch-maker.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import { isTerminal, RETRY_CREATION_PATH } from '../../batches/batch-state.js';
import type { RecordRow } from '../../batches/record-pages.js';
import { formatDuration, formatNumber } from '../../platform/wording.js';
import { RECORD_STATUSES, type RecordCounts } from '../../records/record-status.js';
import type { RecordError } from '../../records/target.js';
import { importPath, withQuery } from '../layout/navigation.js';
import { batchLabel, recordLabel, type StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import type { ShownRecords } from './imports.dto.js';

/** A batch as the pages show it. */
export interface BatchView {
  id: number;
  path: string;
  fileName: string;
  importProcessName: string;
  importProcessVersion: number;
  creationPath: string;
  /** The creation path in words. */
  source: string;
  status: StatusLabel;
  total: number;
  /** Succeeded or skipped; failed, invalid or unknown; without an outcome, or canceled. Together they are the total. */
  good: number;
  failed: number;
  unprocessed: number;
  processed: number;
  /** The parts of the bar, in percent. */
  shares: { good: number; failed: number };
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** How long it has been running, or ran; `null` before it starts. */
  took: string | null;
  createdBy: string;
  running: boolean;
  ended: boolean;
  /** An upload that no one confirmed. */
  abandoned: boolean;
  /** Its retention period is over: its counts remain, its records do not. */
  expired: boolean;
}

export function batchView(batch: BatchResource, createdBy: string, now: Date): BatchView {
  const { recordCounts: counts } = batch;
  const abandoned = isAbandoned(batch);
  const good = counts.succeeded + counts.skipped;
  const failed = counts.failed + counts.invalid + counts.unknown;
  return {
    id: batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    path: importPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID),
    fileName: batch.fileName,
    importProcessName: batch.importProcessName,
    importProcessVersion: batch.importProcessVersion,
    creationPath: batch.creationPath,
    source: sourceText(batch.creationPath),
    status: abandoned ? { text: text('status.abandoned'), tone: 'quiet' } : batchLabel(batch.status),
    abandoned,
    total: counts.total,
    good,
    failed,
    unprocessed: counts.pending + counts.processing + counts.canceled,
    processed: batch.progress.processed,
    shares: { good: percent(good, counts.total), failed: percent(failed, counts.total) },
    createdAt: batch.createdAt,
    startedAt: batch.startedAt,
    finishedAt: batch.finishedAt,
    took: tookText(batch, now),
    createdBy,
    running: ['queued', 'in_progress', 'canceling'].includes(batch.status),
    ended: isTerminal(batch.status),
    expired: batch.expiredAt !== null,
  };
}

/** An upload that was canceled before anything was processed. */
function isAbandoned({ status, creationPath, startedAt }: BatchResource): boolean {
  return status === 'canceled' && creationPath === UI_CREATION_PATH && startedAt === null;
}

/** Where a batch came from, in words; an unknown creation path as it is stored. */
function sourceText(creationPath: string): string {
  if (creationPath === UI_CREATION_PATH) return text('source.browser');
  if (creationPath === RETRY_CREATION_PATH) return text('source.retry');
  if (creationPath === FIX_CREATION_PATH) return text('source.fix');
  if (creationPath === UNDO_CREATION_PATH) return text('source.undo');
  if (creationPath === API_CREATION_PATH) return text('source.api');
  const prefix = `${API_CREATION_PATH}:`;
  if (!creationPath.startsWith(prefix)) return creationPath;
  return text('source.apiNamed', { name: creationPath.slice(prefix.length) });
}

/** "25,000 records/s, about 2 min 5 s left" while it runs, "25,000 records/s" when it has ended. */
export function paceText({ progress }: BatchResource): string | null {
  if (progress.ratePerSecond === 0) return null;
  const rate = Number(progress.ratePerSecond.toPrecision(2));
  return progress.etaSeconds === null
    ? text('import.pace', { rate })
    : text('import.paceLeft', { rate, left: timeLeft(progress.etaSeconds) });
}

/** Why the import is not being processed; `null` while it runs and after its end. */
export function waitingText({
  waitingFor,
  pauseReason,
  failureReason,
  control,
}: BatchResource): string | null {
  const reason = failureReason ?? '';
  switch (pauseReason) {
    case 'manual':
      return text('import.waits.manual');
    case 'canary':
      return text('import.waits.canary', { reason });
    case 'error_budget':
      return text('import.waits.errorBudget', { reason });
    case 'environment_fault':
    case 'target_unavailable':
      return text('import.waits.fault', { reason });
    case null:
  }
  if (waitingFor?.reason === 'not_before') {
    return text('import.waits.notBefore', { at: control?.notBefore ?? '' });
  }
  if (waitingFor?.reason === 'queue_paused') return text('import.waits.queuePaused');
  if (waitingFor?.reason === 'schema') return text('import.waits.schema');
  if (waitingFor?.reason === 'concurrency') return text('import.waits.concurrency');
  const count = waitingFor?.batchesAhead ?? 0;
  return count > 0 ? text('import.waits.turn', { count }) : null;
}

/** The title of the page: "43 % · members.csv" while the import runs, "Completed · members.csv" afterwards. */
export function progressTitle({ fileName, status, running, total, processed }: BatchView): string {
  const isMoving = running && processed > 0;
  const state = isMoving
    ? text('import.percent', { percent: percentDone(processed, total, 1) })
    : status.text;
  return text('import.title', { state, fileName });
}

/** What a screen reader announces: the progress in steps of ten percent, and the outcome at the end. */
export function announcementText({ status, ended, good, failed, total, processed }: BatchView): string {
  if (ended) return text('import.announceEnd', { status: status.text, good, failed });
  return text('import.announceProgress', {
    status: status.text,
    percent: percentDone(processed, total, 10),
  });
}

function percentDone(processed: number, total: number, step: number): number {
  return total === 0 ? 0 : Math.floor((processed / total) * (100 / step)) * step;
}

/** Below a minute in whole seconds: an estimate has no tenths. */
function timeLeft(seconds: number): string {
  return seconds < 60 ? text('import.seconds', { seconds: Math.ceil(seconds) }) : formatDuration(seconds);
}

function tookText(batch: BatchResource, now: Date): string | null {
  if (batch.startedAt === null) return null;
  const end = batch.finishedAt === null ? now.getTime() : Date.parse(batch.finishedAt);
  return formatDuration(Math.max(end - Date.parse(batch.startedAt), 0) / 1000);
}

function percent(part: number, total: number): number {
  return total === 0 ? 0 : Math.round((part / total) * 10_000) / 100;
}

/** Every status that has records, and always the statuses that people look for. */
export function countCards(counts: RecordCounts) {
  const always: readonly string[] = ['pending', 'succeeded', 'failed', 'invalid'];
  return [
    { count: counts.total, text: text('import.total'), tone: '' },
    ...RECORD_STATUSES.filter((status) => counts[status] > 0 || always.includes(status)).map((status) => {
      const label = recordLabel(status);
      return { count: counts[status], text: label.text, tone: counts[status] > 0 ? label.tone : '' };
    }),
  ];
}

/** The counts as a sum that anyone can check: 3 succeeded + 1 failed = 4 records. */
export function sumText(counts: RecordCounts): string {
  const terms = RECORD_STATUSES.filter((status) => counts[status] > 0).map(
    (status) => `${formatNumber(counts[status])} ${recordLabel(status).text.toLowerCase()}`,
  );
  return text('import.sum', { terms: terms.join(' + ') || '0', count: counts.total });
}

/** What the records did, in words. */
export function operationsText({ operations }: BatchResource): string {
  const { reverted, kept } = operations;
  if (reverted === undefined || kept === undefined) return text('import.operations', { ...operations });
  return text('import.undoOperations', { reverted, kept });
}

/** The imports that this one retries, fixes or undoes, those that do so with it, and the one in its place. */
export function relatives(
  {
    retryOf,
    resendOf,
    undoOf = null,
    undoneBy = null,
    replacedBy = null,
  }: Pick<BatchResource, 'retryOf' | 'resendOf'> &
    Partial<Pick<BatchResource, 'undoOf' | 'undoneBy' | 'replacedBy'>>,
  children: readonly number[],
) {
  const linked = (id: number) => ({ path: importPath(id), text: text('import.relative', { id }) });
  return {
    parent: retryOf === null ? null : linked(retryOf),
    fixed: resendOf === null ? null : linked(resendOf),
    undone: undoOf === null ? null : linked(undoOf),
    undoneBy: undoneBy === null ? null : linked(undoneBy),
    replacedBy: replacedBy === null ? null : linked(replacedBy),
    children: children.map(linked),
  };
}

export function downloads(batch: BatchView) {
  const results = `${batch.path}/results`;
  return (
    [
      ['all', batch.total],
      ['succeeded', batch.good],
      ['failed', batch.failed],
      ['unprocessed', batch.unprocessed],
    ] as const
  ).map(([set, count]) => ({
    text: text(`import.sets.${set}`),
    count,
    csv: withQuery(results, { set, format: 'csv' }),
    xlsx: withQuery(results, { set, format: 'xlsx' }),
    jsonl: withQuery(results, { set, format: 'jsonl' }),
  }));
}

export function tabs(counts: RecordCounts, batch: BatchView, shown: ShownRecords) {
  const statuses = RECORD_STATUSES.filter((status) => counts[status] > 0 || status === shown);
  return [
    { show: 'refused', text: text('import.allFailed'), count: batch.failed },
    { show: 'all', text: text('import.all'), count: batch.total },
    ...statuses.map((status) => ({ show: status, text: recordLabel(status).text, count: counts[status] })),
  ].map((tab) => ({
    ...tab,
    path: `${batch.path}?show=${tab.show}#records`,
    current: tab.show === shown,
  }));
}

/** Why a record failed; `null` if it did not. */
export function recordError({ errorCode, errorMessage, errorPointer }: RecordRow): RecordError | null {
  if (errorCode === null) return null;
  return {
    code: errorCode,
    message: errorMessage ?? '',
    ...(errorPointer !== null && { pointer: errorPointer }),
  };
}
