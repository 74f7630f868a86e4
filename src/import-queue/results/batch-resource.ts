import { allowedActions, type BatchAction, type BatchStatus } from '../batch-state.js';
import type { ErrorGroup } from '../intake/error-tally.js';
import type { Understood } from '../intake/upload-reader.js';
import type { RecordCounts } from '../record-status.js';
import type { ColumnFindings, UploadFindings } from '../upload-findings.js';
import { type BatchProgress, progressOf } from './batch-progress.js';
import type { BatchRow } from './select-batches.js';

export type BatchLinks = Record<'self' | 'records' | 'results', string> &
  Partial<Record<BatchAction, string>>;

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
  operations: { created: number; updated: number; unchanged: number };
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** When its retention was over; its records answer 410 since then. */
  expiredAt: string | null;
  progress: BatchProgress;
  retryOf: number | null;
  createdBy: string;
  /** The page for people. */
  resultsUrl: string;
  failureReason: string | null;
  /** Of an uploaded file, in the answer about that one batch; `null` in lists and for batches of the API. */
  understood: Understood | null;
  summary: UploadSummary | null;
  links: BatchLinks;
}

/** What a person looks at before an upload is confirmed. */
export interface UploadSummary {
  valid: number;
  invalid: number;
  /** Columns of the file beside those of a row; `null` for JSON Lines. */
  columns: ColumnFindings | null;
  errorGroups: ErrorGroup[];
}

/** What a call that made a batch is told. */
export type CreationAnswer = Pick<
  BatchResource,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'resultsUrl' | 'status' | 'recordCounts' | 'links'
>;

export function batchPath(id: number): string {
  return `/API/WorkflowImportQueue/Batches/${id}`;
}

export function resultsUrl(publicUrl: string, id: number): string {
  return `${publicUrl}/imports/${id}`;
}

export function batchResource(
  row: BatchRow,
  publicUrl: string,
  upload: UploadFindings | null = null,
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
    operations: { created: row.created, updated: row.updated, unchanged: row.unchanged },
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
    expiredAt: row.expiredAt?.toISOString() ?? null,
    progress: progressOf(row),
    retryOf: row.retryOf,
    createdBy: row.createdBy,
    resultsUrl: resultsUrl(publicUrl, row.id),
    failureReason: row.failureReason,
    understood: upload?.understood ?? null,
    summary: upload === null ? null : summaryOf(row, upload),
    links: batchLinks(
      row.id,
      row.status,
      isRetriable(recordCounts) && row.retriedBy === null && row.expiredAt === null,
    ),
  };
}

function summaryOf(row: BatchRow, { columns, errorGroups }: UploadFindings): UploadSummary {
  return { valid: row.total - row.invalid, invalid: row.invalid, columns, errorGroups };
}

/** The answer to CreateBatch, made from what was just stored, without reading it back. */
export function creationAnswer(
  batch: { id: number; status: BatchStatus },
  counts: { total: number; invalid: number },
  publicUrl: string,
): CreationAnswer {
  const recordCounts: RecordCounts = {
    total: counts.total,
    invalid: counts.invalid,
    pending: counts.total - counts.invalid,
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
    links: batchLinks(batch.id, batch.status, isRetriable(recordCounts)),
  };
}

function countsOf(row: BatchRow): RecordCounts {
  return {
    total: row.total,
    invalid: row.invalid,
    pending: row.pending,
    // A chunk's outcomes become visible at once, with its commit: no record is ever seen half way.
    processing: 0,
    succeeded: row.succeeded,
    failed: row.failed,
    skipped: row.skipped,
    canceled: row.canceled,
    unknown: row.unknown,
  };
}

function isRetriable(counts: RecordCounts): boolean {
  return counts.invalid + counts.failed + counts.unknown > 0;
}

const ACTION_ROUTES: Readonly<Record<BatchAction, string>> = {
  cancel: 'Cancel',
  pause: 'Pause',
  resume: 'Resume',
  retryFailed: 'RetryFailed',
  confirm: 'Confirm',
  abandon: 'Abandon',
};

function batchLinks(id: number, status: BatchStatus, retriable: boolean): BatchLinks {
  const self = batchPath(id);
  const links: BatchLinks = { self, records: `${self}/Records`, results: `${self}/Results` };
  for (const action of allowedActions(status)) {
    if (action !== 'retryFailed' || retriable) links[action] = `${self}/${ACTION_ROUTES[action]}`;
  }
  return links;
}
