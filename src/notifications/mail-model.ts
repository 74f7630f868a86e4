import type { BatchStatus } from '../batches/batch-state.js';
import { formatDuration, formatNumber, formatTime, oneLine } from '../platform/wording.js';
import { type BatchSummary, refusedCount } from './batch-summary.js';

/** How a batch ended, as mails tell it; also the name of the templates. */
export type MailedOutcome = 'succeeded' | 'finished-with-errors' | 'failed' | 'canceled';

/** @throws Error for a batch that has not ended: nobody is told of that */
export function outcomeOf(status: BatchStatus): MailedOutcome {
  switch (status) {
    case 'completed':
      return 'succeeded';
    case 'completed_with_errors':
      return 'finished-with-errors';
    case 'failed':
      return 'failed';
    case 'canceled':
      return 'canceled';
    default:
      throw new Error(`a batch that is ${status} has no outcome yet`);
  }
}

const WORDS: Readonly<Record<MailedOutcome, string>> = {
  succeeded: 'Import succeeded',
  'finished-with-errors': 'Import finished with errors',
  failed: 'Import failed',
  canceled: 'Import canceled',
};

/** What clients filter their mail by; it begins the same whatever the file is called. */
export function subjectOf(outcome: MailedOutcome, fileName: string): string {
  return `${WORDS[outcome]}: ${oneLine(fileName)}`;
}

/** What the templates show. Texts are one line each; escaping is the templates' business. */
export interface MailModel {
  fileName: string;
  total: string;
  refused: string;
  failureReason: string | null;
  facts: { label: string; value: string }[];
  counts: { label: string; value: string }[];
  /** The promise, checkable by eye: "998 succeeded + 2 invalid = 1,000 records received". */
  sum: string;
  operations: { label: string; value: string }[];
  errors: { line: string; code: string; message: string }[];
  /** "and 12 more"; `null` when all are shown. */
  moreErrors: string | null;
  resultsUrl: string;
}

const STATES = ['succeeded', 'failed', 'invalid', 'skipped', 'canceled', 'unknown', 'pending'] as const;
/** Shown even when they are zero. */
const ALWAYS: readonly string[] = ['succeeded', 'failed', 'invalid'];
const OPERATIONS = ['created', 'updated', 'unchanged'] as const;

export function mailModel({ batch, createdBy, firstErrors }: BatchSummary, resultsUrl: string): MailModel {
  const refused = refusedCount(batch);
  const more = refused - firstErrors.length;
  const states = STATES.filter((state) => batch[state] > 0);
  return {
    fileName: oneLine(batch.fileName),
    total: records(batch.total),
    refused: formatNumber(refused),
    failureReason: batch.failureReason === null ? null : oneLine(batch.failureReason),
    facts: facts({ batch, createdBy }),
    counts: STATES.filter((state) => batch[state] > 0 || ALWAYS.includes(state)).map((state) => ({
      label: state,
      value: formatNumber(batch[state]),
    })),
    sum: `${states.map((state) => `${formatNumber(batch[state])} ${state}`).join(' + ') || '0'} = ${records(batch.total)} received`,
    operations: OPERATIONS.map((operation) => ({
      label: operation,
      value: formatNumber(batch[operation]),
    })),
    errors: firstErrors.map(({ line, code, message }) => ({
      line: formatNumber(line),
      code: oneLine(code ?? 'unknown'),
      message: oneLine(message ?? 'The outcome of this record is not known.'),
    })),
    moreErrors: more > 0 ? `and ${formatNumber(more)} more` : null,
    resultsUrl,
  };
}

function facts({ batch, createdBy }: Pick<BatchSummary, 'batch' | 'createdBy'>): MailModel['facts'] {
  const ended = batch.finishedAt ?? batch.now;
  const seconds = Math.max(ended.getTime() - (batch.startedAt ?? batch.createdAt).getTime(), 0) / 1000;
  return [
    { label: 'File', value: oneLine(batch.fileName) },
    { label: 'File type', value: oneLine(batch.importProcessName) },
    { label: 'Batch', value: String(batch.id) },
    { label: 'Creation path', value: oneLine(batch.creationPath) },
    { label: 'Started by', value: oneLine(createdBy) },
    { label: 'Received', value: formatTime(batch.createdAt.toISOString()) },
    { label: 'Ended', value: formatTime(ended.toISOString()) },
    { label: 'Took', value: formatDuration(seconds) },
  ];
}

function records(count: number): string {
  return `${formatNumber(count)} ${count === 1 ? 'record' : 'records'}`;
}
