import type { BatchResource } from '../../import-queue/results/batch-resource.js';
import { formatDuration, formatNumber } from '../../common/format.js';
import { isTerminal } from '../../import-queue/batch-state.js';
import { batchLabel, type StatusLabel } from '../status-label.js';

/** A batch as the pages show it. */
export interface BatchView {
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
