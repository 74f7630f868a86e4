import { DEFAULT_READING, type ReadingWarning } from '../formats/reading.js';
import type { UnderstoodFile } from '../formats/upload-reader.js';
import { publicPath } from '../platform/http/answers.js';
import { formatNumber } from '../platform/wording.js';
import type { RecordCounts } from '../records/record-status.js';
import type { ErrorTallyGroup } from '../records/rows.js';
import { type BatchRow, RATE_WINDOW_SECONDS } from './batch-rows.sql.js';
import {
  allowedActions,
  type BatchAction,
  type BatchStatus,
  type PauseReason,
  type StoredControl,
  type WaitingFor,
  waitingFor,
  withUtcTimes,
} from './batch-state.js';
import type { ColumnFindings, UploadFindings } from './entities.js';
import type { ChangeCounts, PreviewCounts, PreviewProgress } from './previews.sql.js';
import type { BatchUpload } from './uploads.sql.js';

export interface BatchProgress {
  /** Records that were processed, or refused in pass 1; reaches `total` unless some were canceled. */
  processed: number;
  total: number;
  /** While the batch runs: the rate of the last seconds. After its end: the rate of the whole run. */
  ratePerSecond: number;
  /** `null` if the batch does not run, or if the time cannot be estimated. */
  etaSeconds: number | null;
}

type MeasuredBatch = Pick<
  BatchRow,
  | 'total'
  | 'pending'
  | 'invalid'
  | 'canceled'
  | 'recentlyDone'
  | 'status'
  | 'startedAt'
  | 'finishedAt'
  | 'now'
>;

function progressOf(batch: MeasuredBatch): BatchProgress {
  const processed = batch.total - batch.pending - batch.canceled;
  const rate = rateOf(batch, processed - batch.invalid);
  const runs = batch.status === 'in_progress' || batch.status === 'canceling';
  return {
    processed,
    total: batch.total,
    ratePerSecond: Math.round(rate * 10) / 10,
    etaSeconds: runs && rate > 0 ? Math.ceil(batch.pending / rate) : null,
  };
}

function rateOf(batch: MeasuredBatch, processedInPass2: number): number {
  if (batch.startedAt === null) return 0;
  const end = batch.finishedAt ?? batch.now;
  // A batch of a few records may finish within a millisecond, and a duration of zero would give no usable rate.
  const seconds = Math.max((end.getTime() - batch.startedAt.getTime()) / 1000, 0.001);
  if (batch.finishedAt !== null) return processedInPass2 / seconds;
  if (batch.status !== 'in_progress' && batch.status !== 'canceling') return 0;
  return batch.recentlyDone / Math.min(seconds, RATE_WINDOW_SECONDS);
}

export const ORIGIN_KINDS = ['retry', 'fix', 'resend', 'undo', 'file'] as const;

/** What a batch was made from. */
export interface BatchOrigin {
  kind: (typeof ORIGIN_KINDS)[number];
  /** `null` for a file. */
  batchId: number | null;
}

function originOf({ retryOf, resendOf, undoOf, fromFile }: BatchRow): BatchOrigin | null {
  if (retryOf !== null) return { kind: 'retry', batchId: retryOf };
  if (undoOf !== null) return { kind: 'undo', batchId: undoOf };
  if (resendOf !== null) return { kind: fromFile ? 'resend' : 'fix', batchId: resendOf };
  return fromFile ? { kind: 'file', batchId: null } : null;
}

export type BatchLinks = Record<'self' | 'records' | 'results', string> &
  Partial<Record<BatchAction, string>>;

/** The records by what they did. `reverted` and `kept` only for an undo. */
interface Operations {
  created: number;
  updated: number;
  unchanged: number;
  reverted?: number;
  kept?: number;
}

/** How its file was read, with the time zone of times without an offset. */
export type UnderstoodBatch = UnderstoodFile & { timeZone: string };

/** A batch as the HTTP API answers it. Times are RFC 3339 UTC. */
export interface BatchResource {
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: number;
  fileName: string;
  importProcessId: number;
  importProcessName: string;
  importProcessVersion: number;
  creationPath: string;
  status: BatchStatus;
  recordCounts: RecordCounts;
  operations: Operations;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** When its retention ended. Requests for its records answer 410 since then. */
  expiredAt: string | null;
  progress: BatchProgress;
  retryOf: number | null;
  /** The batch whose failed records were fixed, or downloaded and uploaded again, to make this one. */
  resendOf: number | null;
  /** The batch whose effects this one reverts. */
  undoOf: number | null;
  /** The batch that reverts the effects of this one, unless it was canceled or undone itself. */
  undoneBy: number | null;
  /** The next upload of this file by the same key or user, if this one was never confirmed; `null` in lists. */
  replacedBy: number | null;
  /** `null` for batches of CreateBatch. */
  createdFrom: BatchOrigin | null;
  createdBy: string;
  metadata: Record<string, string>;
  resultsUrl: string;
  /** The fault that failed the whole batch or paused it. */
  failureReason: string | null;
  /** `null` unless the batch is paused. */
  pauseReason: PauseReason | null;
  /** Why the batch is not being processed; `null` while it runs and after its end. */
  waitingFor: WaitingFor | null;
  /** How it is to be run; `null` if simply as soon as possible. */
  control: StoredControl | null;
  /** How an uploaded file was read, in answers about one batch; `null` in lists and for batches of the API. */
  understood: UnderstoodBatch | null;
  summary: UploadSummary | null;
  links: BatchLinks;
}

/** Something that a user should look at before confirming. */
export type UploadWarning = Omit<ReadingWarning, 'code'> & { code: ReadingWarning['code'] | 'many_changes' };

/** The facts that a person reviews before confirming an upload. */
export interface UploadSummary {
  valid: number;
  invalid: number;
  /** The operations that the valid records would cause; `null` if there is no preview yet, or there cannot be one. */
  operations: PreviewCounts | null;
  /** How far the preview of a large file is; `null` unless it is being made. */
  previewProgress: PreviewProgress | null;
  /** The columns of the file compared with those of a row; `null` for JSON Lines. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** Rows without any value, which are not records. */
  blankRows: number;
  /** Rows with fewer cells than the header; `shortRows=fill` fills them up. */
  shortRows: number;
  /** Empty cells that leave values unchanged; `emptyCells=clear` would clear those values. */
  emptyCells: number;
  /** Apostrophes removed before text that looks like a formula; `apostrophes=keep` keeps them. */
  apostrophes: number;
  /** Texts whose white space at the ends was kept. */
  keptSpaces: number;
  /** What a user should look at before confirming. */
  warnings: UploadWarning[];
  /** The updates that change a field, by field; `null` without a preview, as the next two. */
  fieldChanges: ChangeCounts['fieldChanges'] | null;
  /** Stored values that would be cleared, and the records that clear them. */
  cleared: ChangeCounts['cleared'] | null;
  /** The first things that several records are about. */
  sameThing: ChangeCounts['sameThing'] | null;
}

/** How the file of an upload was read, and whether it is being read again. */
export interface UploadState {
  findings: UploadFindings;
  operations: PreviewCounts | null;
  /** `null` if there is no preview. */
  changes: ChangeCounts | null;
  previewProgress: PreviewProgress | null;
  /** `null` if the file is not stored any more. */
  stored: BatchUpload | null;
}

/** The answer to a call that created a batch. */
export type CreationAnswer = Pick<
  BatchResource,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'resultsUrl' | 'status' | 'recordCounts' | 'links'
>;

/** The path of a batch, from the root of this service. */
export function batchPath(id: number): string {
  return `/API/WorkflowImportQueue/Batches/${id}`;
}

export function resultsUrl(publicUrl: string, id: number): string {
  return `${publicUrl}/imports/${id}`;
}

/** What a batch resource needs to know beside the batch. */
export interface BatchSurroundings {
  publicUrl: string;
  /** A person has paused the queue of chunks, so no batch is processed. */
  isQueuePaused: boolean;
}

export function batchResource(
  row: BatchRow,
  { publicUrl, isQueuePaused }: BatchSurroundings,
  upload: UploadState | null = null,
): BatchResource {
  const recordCounts = countsOf(row);
  return {
    WORKFLOW_IMPORT_QUEUE_BATCH_ID: row.id,
    fileName: row.fileName,
    importProcessId: row.importProcessId,
    importProcessName: row.importProcessName,
    importProcessVersion: row.importProcessVersion,
    creationPath: row.creationPath,
    status: row.status,
    recordCounts,
    operations: operationsOf(row),
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
    expiredAt: row.expiredAt?.toISOString() ?? null,
    progress: upload?.stored?.isBeingRead === true ? readingProgress(row, upload.stored) : progressOf(row),
    retryOf: row.retryOf,
    resendOf: row.resendOf,
    undoOf: row.undoOf,
    undoneBy: row.undoneBy,
    replacedBy: row.replacedBy,
    createdFrom: originOf(row),
    createdBy: row.createdBy,
    metadata: row.metadata ?? {},
    resultsUrl: resultsUrl(publicUrl, row.id),
    failureReason: row.failureReason ?? row.pauseDetail ?? upload?.stored?.readingFailure ?? null,
    pauseReason: row.pauseReason,
    waitingFor: waitingFor(row, isQueuePaused),
    control: row.control === null ? null : withUtcTimes(row.control),
    // The body of a dry run is read as that of every CreateBatch.
    understood:
      upload === null || row.status === 'validated'
        ? null
        : { ...UNKNOWN_READING, ...upload.findings.understood, timeZone: row.timeZone },
    summary: upload === null || upload.stored?.isBeingRead === true ? null : summaryOf(row, upload),
    links: batchLinks(publicUrl, row.id, row.status, {
      retryFailed: isRetriable(recordCounts) && canSendAgain(row),
      resolve: recordCounts.unknown > 0 && row.expiredAt === null,
      undo: row.mayBeUndone && row.expiredAt === null && row.undoneBy === null && hasEffects(row),
      delete: row.expiredAt === null,
    }),
  };
}

function summaryOf(
  { total, invalid }: BatchRow,
  { operations, changes, previewProgress, findings }: UploadState,
): UploadSummary {
  const { columns, errorGroups } = findings;
  const warnings = [...(findings.warnings ?? []), ...unusualShare(changes)];
  const { blankRows = 0, shortRows = 0, emptyCells = 0, apostrophes = 0, keptSpaces = 0 } = findings;
  return {
    valid: total - invalid,
    invalid,
    operations,
    previewProgress,
    columns,
    errorGroups,
    ...{ blankRows, shortRows, emptyCells, apostrophes, keptSpaces, warnings },
    fieldChanges: changes?.fieldChanges ?? null,
    cleared: changes?.cleared ?? null,
    sameThing: changes?.sameThing ?? null,
  };
}

/** Fewer changes are never unusual. */
const FEW_CHANGES = 10;
const UNUSUAL_SHARE = 0.3;

/**
 * Warns if a file would change an unusual share of the things that exist, as a file does whose columns were mixed up. A
 * file that repeats everything and changes little, or that has only changes, is not unusual.
 */
function unusualShare(changes: ChangeCounts | null): UploadWarning[] {
  const { changed, total } = changes?.existing ?? { changed: 0, total: 0 };
  if (changed < FEW_CHANGES || changed < total * UNUSUAL_SHARE) return [];
  const share = `${formatNumber(changed)} of the ${formatNumber(total)} things that exist (${Math.round((changed / total) * 100)} %)`;
  const message = `The file would change ${share}. Check that its columns hold what you expect.`;
  return [{ code: 'many_changes', message }];
}

/** The rows of a file that is being read again; their number is not known before the end. */
function readingProgress({ total }: BatchRow, { rowsRead }: BatchUpload): BatchProgress {
  return { processed: rowsRead, total: Math.max(total, rowsRead), ratePerSecond: 0, etaSeconds: null };
}

/** What is answered about files that were read by an earlier version, which stored less. */
const { mapping, trim, emptyCells, shortRows, booleans, apostrophes } = DEFAULT_READING;
const UNKNOWN_READING = {
  ...{ mapping, trim, emptyCells, shortRows, booleans, apostrophes, savedMapping: null, constants: {} },
  ...{ headerRow: null, dateOrder: null, decimalMark: null, sheet: null, sheets: null },
};

/** The answer to CreateBatch, built from the batch that was just stored, without reading it back. */
export function creationAnswer(
  batch: { id: number; status: BatchStatus; totalCount: number; invalidCount: number },
  publicUrl: string,
): CreationAnswer {
  const recordCounts: RecordCounts = {
    total: batch.totalCount,
    invalid: batch.invalidCount,
    pending: batch.totalCount - batch.invalidCount,
    processing: 0,
    succeeded: 0,
    failed: 0,
    skipped: 0,
    canceled: 0,
    unknown: 0,
  };
  return {
    WORKFLOW_IMPORT_QUEUE_BATCH_ID: batch.id,
    resultsUrl: resultsUrl(publicUrl, batch.id),
    status: batch.status,
    recordCounts,
    links: batchLinks(publicUrl, batch.id, batch.status, {
      ...{ retryFailed: isRetriable(recordCounts), resolve: false, undo: false },
    }),
  };
}

function countsOf(row: BatchRow): RecordCounts {
  return {
    total: row.total,
    invalid: row.invalid,
    pending: row.pending,
    // The outcomes of a chunk become visible together, when it commits, so no record is ever seen in processing.
    processing: 0,
    succeeded: row.succeeded,
    failed: row.failed,
    skipped: row.skipped,
    canceled: row.canceled,
    unknown: row.unknown,
  };
}

function operationsOf({ created, updated, unchanged, succeeded, skipped, undoOf }: BatchRow): Operations {
  const operations = { created, updated, unchanged };
  if (undoOf === null) return operations;
  // Every record that succeeded was reverted, unless there was nothing left to revert.
  return { ...operations, reverted: succeeded - unchanged, kept: skipped };
}

/** Whether a record changed something: `succeeded` includes `unchanged`. */
function hasEffects(row: BatchRow): boolean {
  return row.succeeded > row.unchanged;
}

function canSendAgain({ retriedBy, expiredAt, undoOf }: BatchRow): boolean {
  return retriedBy === null && expiredAt === null && undoOf === null;
}

function isRetriable(counts: RecordCounts): boolean {
  return counts.invalid + counts.failed > 0;
}

const ACTION_ROUTES: Readonly<Record<BatchAction, string>> = {
  cancel: 'Cancel',
  pause: 'Pause',
  resume: 'Resume',
  retryFailed: 'RetryFailed',
  resolve: 'Resolve',
  undo: 'Undo',
  confirm: 'Confirm',
  abandon: 'Abandon',
  delete: 'Delete',
};

function batchLinks(
  publicUrl: string,
  id: number,
  status: BatchStatus,
  possible: Readonly<Partial<Record<BatchAction, boolean>>>,
): BatchLinks {
  const self = publicPath(publicUrl) + batchPath(id);
  const links: BatchLinks = { self, records: `${self}/Records`, results: `${self}/Results` };
  for (const action of allowedActions(status)) {
    if (possible[action] ?? true) links[action] = `${self}/${ACTION_ROUTES[action]}`;
  }
  return links;
}
