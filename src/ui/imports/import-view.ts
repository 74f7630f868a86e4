import type { BatchResource } from '../../batches/batch-resource.js';
import { isTerminal } from '../../batches/batch-state.js';
import type { RecordRow } from '../../batches/record-pages.sql.js';
import { counted, excerpt, formatDuration, formatNumber } from '../../platform/wording.js';
import { RECORD_STATUSES, type RecordCounts } from '../../records/record-status.js';
import { batchLabel, recordLabel, type StatusLabel } from '../status-label.js';
import type { ShownRecords } from './imports.dto.js';

/** A batch as the pages show it. */
interface BatchView {
  id: number;
  path: string;
  fileName: string;
  importProcessName: string;
  importProcessVersion: number;
  creationPath: string;
  status: StatusLabel;
  total: number;
  /** Succeeded or skipped; failed, invalid or unknown; without an outcome, or canceled. Together: the total. */
  good: number;
  refused: number;
  unprocessed: number;
  processed: number;
  /** Of the bar, in per cent. */
  shares: { good: number; refused: number };
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** How long it has run, or ran; `null` before it starts. */
  took: string | null;
  createdBy: string;
  running: boolean;
  ended: boolean;
  /** Its retention is over: its counts are left, its records are not. */
  expired: boolean;
}

export function batchView(batch: BatchResource, createdBy: string, now: Date): BatchView {
  const { recordCounts: counts } = batch;
  return {
    id: batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    path: `/imports/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`,
    fileName: batch.fileName,
    importProcessName: batch.importProcessName,
    importProcessVersion: batch.importProcessVersion,
    creationPath: batch.creationPath,
    status: batchLabel(batch.status),
    total: counts.total,
    good: counts.succeeded + counts.skipped,
    refused: counts.failed + counts.invalid + counts.unknown,
    unprocessed: counts.pending + counts.processing + counts.canceled,
    processed: batch.progress.processed,
    shares: {
      good: percent(counts.succeeded + counts.skipped, counts.total),
      refused: percent(counts.failed + counts.invalid + counts.unknown, counts.total),
    },
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

/** "25,000 records/s, about 2 min 5 s left" while it runs, "25,000 records/s" when it has ended. */
export function paceText({ progress }: BatchResource): string | null {
  if (progress.ratePerSecond === 0) return null;
  const rate = `${formatNumber(progress.ratePerSecond)} records/s`;
  return progress.etaSeconds === null ? rate : `${rate}, about ${formatDuration(progress.etaSeconds)} left`;
}

function tookText(batch: BatchResource, now: Date): string | null {
  if (batch.startedAt === null) return null;
  const end = batch.finishedAt === null ? now.getTime() : Date.parse(batch.finishedAt);
  return formatDuration(Math.max(end - Date.parse(batch.startedAt), 0) / 1000);
}

function percent(part: number, total: number): number {
  return total === 0 ? 0 : Math.round((part / total) * 10_000) / 100;
}

/** Every state that has records, and always those that everybody looks for. */
export function countCards(counts: RecordCounts) {
  const always: readonly string[] = ['pending', 'succeeded', 'failed', 'invalid'];
  return [
    { count: counts.total, text: 'Total', tone: '' },
    ...RECORD_STATUSES.filter((status) => counts[status] > 0 || always.includes(status)).map((status) => {
      const { text, tone } = recordLabel(status);
      return { count: counts[status], text, tone: counts[status] > 0 ? tone : '' };
    }),
  ];
}

/** The promise, checkable by eye: 3 succeeded + 1 failed = 4 records. */
export function sumText(counts: RecordCounts): string {
  const terms = RECORD_STATUSES.filter((status) => counts[status] > 0).map(
    (status) => `${formatNumber(counts[status])} ${status}`,
  );
  return `${terms.join(' + ') || '0'} = ${counted(counts.total, 'record')} received`;
}

/** Imports that this one sends records of again, or that send records of this one again. */
export function relatives(retryOf: number | null, children: readonly number[]) {
  const linked = (id: number) => ({ path: `/imports/${id}`, text: `import ${id}` });
  return { parent: retryOf === null ? null : linked(retryOf), children: children.map(linked) };
}

export function downloads(batch: BatchView) {
  const results = `${batch.path}/results`;
  return (
    [
      ['All records', 'all', batch.total],
      ['Succeeded', 'succeeded', batch.good],
      ['Refused', 'failed', batch.refused],
      ['Unprocessed', 'unprocessed', batch.unprocessed],
    ] as const
  ).map(([text, set, count]) => ({
    text,
    count,
    csv: `${results}?set=${set}&format=csv`,
    jsonl: `${results}?set=${set}&format=jsonl`,
  }));
}

export function tabs(counts: RecordCounts, batch: BatchView, shown: ShownRecords) {
  const statuses = RECORD_STATUSES.filter((status) => counts[status] > 0 || status === shown);
  return [
    { show: 'refused', text: 'Refused', count: batch.refused },
    { show: 'all', text: 'All', count: batch.total },
    ...statuses.map((status) => ({ show: status, text: recordLabel(status).text, count: counts[status] })),
  ].map((tab) => ({
    ...tab,
    path: `${batch.path}?show=${tab.show}#records`,
    current: tab.show === shown,
  }));
}

/** Characters of a record, or of its error, that a table shows; its own page and the download have all of them. */
const SHOWN_CHARACTERS = 500;

export interface RecordView {
  line: number;
  path: string;
  status: StatusLabel;
  operation: string | null;
  reference: string | null;
  errorCode: string | null;
  errorMessage: string;
  errorPointer: string | null;
  payload: string;
}

export function recordView(row: RecordRow, batchPath: string): RecordView {
  return {
    line: row.line,
    path: `${batchPath}/records/${row.line}`,
    status: recordLabel(row.status),
    operation: row.operation,
    reference: row.reference,
    errorCode: row.errorCode,
    errorMessage: excerpt(row.errorMessage ?? '', SHOWN_CHARACTERS),
    errorPointer: row.errorPointer,
    payload: excerpt(row.payload, SHOWN_CHARACTERS),
  };
}
