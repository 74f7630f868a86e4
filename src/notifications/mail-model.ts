import type { BatchStatus } from '../batches/batch-state.js';
import { formatDuration, formatNumber, formatTime, oneLine } from '../platform/wording.js';
import { type BatchSummary, refusedCount } from './batch-summary.js';
import {
  HEADINGS,
  LABELS,
  LEADS,
  OPERATIONS,
  type Plural,
  RECORDS,
  SENTENCES,
  STATES,
} from './mail-texts.js';

/** How a batch ended, as mails report it. */
export type MailedOutcome = keyof typeof HEADINGS;

/** @throws Error for a batch that has not ended: there is no mail about that */
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

/**
 * Its beginning does not depend on the file: clients filter their mail by it. A file name that holds a link is left out,
 * so that no one can have a subject of their own sent to a person who would follow it.
 */
export function subjectOf(outcome: MailedOutcome, fileName: string, batchId: number): string {
  const name = oneLine(fileName);
  return `${HEADINGS[outcome]}: ${name.includes('://') ? fill(SENTENCES.batch, { id: String(batchId) }) : name}`;
}

interface Labeled {
  label: string;
  value: string;
}

/** What the templates show. Each text is one line; the templates escape it. */
export interface MailModel {
  labels: typeof LABELS;
  subject: string;
  heading: string;
  color: string;
  lead: string;
  failureReason: string | null;
  facts: Labeled[];
  counts: Labeled[];
  /** The promise that no record is lost, checkable by eye: "998 succeeded + 2 invalid = 1,000 records received". */
  sum: string;
  operations: Labeled[];
  errors: { line: string; code: string; message: string }[];
  /** "and 12 more"; `null` if the mail shows all errors. */
  moreErrors: string | null;
  fixRows: string;
  resultsUrl: string;
}

const COLORS: Readonly<Record<MailedOutcome, string>> = {
  succeeded: '#1a7f37',
  'finished-with-errors': '#b45309',
  failed: '#b42318',
  canceled: '#6b7280',
};

const STATE_NAMES = Object.keys(STATES) as (keyof typeof STATES)[];
/** The mail shows these even if they are zero. */
const ALWAYS_SHOWN: readonly string[] = ['succeeded', 'failed', 'invalid'];
const OPERATION_NAMES = Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[];

export function mailModel({ batch, createdBy, firstErrors }: BatchSummary, resultsUrl: string): MailModel {
  const outcome = outcomeOf(batch.status);
  const failed = refusedCount(batch);
  const more = failed - firstErrors.length;
  const total = recordsText(batch.total);
  const terms = STATE_NAMES.filter((state) => batch[state] > 0).map(
    (state) => `${formatNumber(batch[state])} ${STATES[state]}`,
  );
  return {
    labels: LABELS,
    subject: subjectOf(outcome, batch.fileName, batch.id),
    heading: HEADINGS[outcome],
    color: COLORS[outcome],
    lead: fill(formOf(LEADS[outcome], batch.total), {
      fileName: oneLine(batch.fileName),
      total,
      failed: formatNumber(failed),
    }),
    failureReason: batch.failureReason === null ? null : oneLine(batch.failureReason),
    facts: facts({ batch, createdBy }),
    counts: STATE_NAMES.filter((state) => batch[state] > 0 || ALWAYS_SHOWN.includes(state)).map((state) => ({
      label: STATES[state],
      value: formatNumber(batch[state]),
    })),
    sum: fill(SENTENCES.sum, { states: terms.join(' + ') || '0', total }),
    operations: OPERATION_NAMES.map((operation) => ({
      label: OPERATIONS[operation],
      value: formatNumber(batch[operation]),
    })),
    errors: firstErrors.map(({ line, code, message }) => ({
      line: formatNumber(line),
      code: oneLine(code ?? 'unknown'),
      message: oneLine(message ?? SENTENCES.noMessage),
    })),
    moreErrors: more > 0 ? fill(SENTENCES.moreErrors, { count: formatNumber(more) }) : null,
    fixRows: SENTENCES.fixRows,
    resultsUrl,
  };
}

function facts({ batch, createdBy }: Pick<BatchSummary, 'batch' | 'createdBy'>): Labeled[] {
  const ended = batch.finishedAt ?? batch.now;
  const seconds = Math.max(ended.getTime() - (batch.startedAt ?? batch.createdAt).getTime(), 0) / 1000;
  return [
    { label: LABELS.file, value: oneLine(batch.fileName) },
    { label: LABELS.fileType, value: oneLine(batch.importProcessName) },
    { label: LABELS.batch, value: String(batch.id) },
    { label: LABELS.creationPath, value: oneLine(batch.creationPath) },
    { label: LABELS.startedBy, value: oneLine(createdBy) },
    { label: LABELS.received, value: formatTime(batch.createdAt.toISOString()) },
    { label: LABELS.ended, value: formatTime(ended.toISOString()) },
    { label: LABELS.duration, value: formatDuration(seconds) },
  ];
}

function recordsText(count: number): string {
  return fill(formOf(RECORDS, count), { count: formatNumber(count) });
}

function formOf({ one, other }: Plural, count: number): string {
  return count === 1 ? one : other;
}

/** Fills in the words in braces, each once: what is filled in is not searched for more of them. */
function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (word, name: string) => values[name] ?? word);
}
