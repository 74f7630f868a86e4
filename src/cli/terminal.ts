import ora, { type Ora } from 'ora';
import type { AcceptedBatch, ClientBatch, ClientEvent } from '../client/index.js';
import { environment } from './session.js';

const BAR_WIDTH = 24;
/** How often a plain line repeats the progress, for logs that people read. */
const LINE_EVERY_MS = 5_000;

export const number = new Intl.NumberFormat('en');

/** What people and programs see. Standard output has the result, standard error everything else. */
export class Terminal {
  private spinner: Ora | undefined;
  private lastLineAt = -Infinity;
  private lastLine = '';

  /** @param json programs read the output: the result is JSON, and no progress is shown */
  constructor(readonly json: boolean) {}

  /** The result: text for people, or the value for programs. */
  result(text: string, value: unknown): void {
    this.clear();
    process.stdout.write(`${this.json ? JSON.stringify(value) : text}\n`);
  }

  /** A fact that the user should know. It is not part of the result. */
  note(text: string): void {
    if (this.json) return;
    this.clear();
    process.stderr.write(`${text}\n`);
  }

  /** Shows how far something is: a bar on a terminal, otherwise a line now and then. */
  progress(text: string, done: number, total: number): void {
    if (this.json) return;
    const share = total === 0 ? 0 : Math.min(done / total, 1);
    if (environment.hasBars) {
      const line = `${bar(share)} ${String(Math.floor(share * 100)).padStart(3)} %  ${text}`;
      // The first frame is drawn at once, and a short step may have no other.
      this.spinner ??= ora({
        text: line,
        stream: process.stderr,
        discardStdin: false,
        isEnabled: true,
      }).start();
      this.spinner.text = line;
      return;
    }
    const now = performance.now();
    if (text === this.lastLine || now - this.lastLineAt < LINE_EVERY_MS) return;
    this.lastLineAt = now;
    this.lastLine = text;
    process.stderr.write(`${text}\n`);
  }

  clear(): void {
    this.spinner?.stop();
    this.spinner = undefined;
  }
}

function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
}

const STATUS_TEXTS: Readonly<Record<string, string>> = {
  awaiting_confirmation: 'awaits confirmation',
  queued: 'is queued',
  in_progress: 'is in progress',
  paused: 'is paused',
  canceling: 'is being canceled',
  canceled: 'was canceled',
  completed: 'completed',
  completed_with_errors: 'completed with errors',
  failed: 'failed',
  validated: 'was checked; nothing was processed',
};

/** Nothing of these has been processed, so that what would happen is worth showing. */
const UNPROCESSED = new Set(['awaiting_confirmation', 'validated']);

const COUNTED = ['succeeded', 'failed', 'invalid', 'skipped', 'canceled', 'unknown', 'pending'] as const;

/** One line, for example "Batch 17 completed with errors: 997 succeeded, 3 failed." */
function batchLine(batch: AcceptedBatch): string {
  const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, status, recordCounts } = batch;
  const counts = COUNTED.filter((name) => recordCounts[name] > 0)
    .map((name) => `${number.format(recordCounts[name])} ${name}`)
    .join(', ');
  return `Batch ${id} ${STATUS_TEXTS[status] ?? status}${counts === '' ? '' : `: ${counts}`}.`;
}

/** A batch that has ended or that a user looks at, with the reason of its state and where to see more. */
export function batchText(batch: AcceptedBatch & Partial<ClientBatch>): string {
  const { status, failureReason, summary } = batch;
  const reason = failureReason === null || failureReason === undefined ? [] : [failureReason];
  const facts =
    summary === null || summary === undefined || !UNPROCESSED.has(status) ? [] : summaryLines(summary);
  return [batchLine(batch), ...reason, ...facts, batch.resultsUrl].join('\n');
}

function summaryLines(summary: NonNullable<ClientBatch['summary']>): string[] {
  const { valid, invalid, operations, columns, errorGroups } = summary;
  const lines = [`  ${number.format(valid)} valid and ${number.format(invalid)} invalid rows`];
  if (operations !== null) {
    const { create, update, unchanged, skip, reject } = operations;
    lines.push(
      `  would create ${create}, update ${update}, leave unchanged ${unchanged}, skip ${skip}, reject ${reject}`,
    );
  }
  for (const { header, nearest } of columns?.unknown ?? []) {
    lines.push(`  column not imported: ${header}${nearest === null ? '' : ` (did you mean ${nearest}?)`}`);
  }
  for (const header of columns?.missing ?? []) lines.push(`  required column missing: ${header}`);
  for (const { count, sampleMessage, sampleLine } of errorGroups) {
    lines.push(`  ${number.format(count)} × ${sampleMessage} (first in line ${sampleLine})`);
  }
  return lines;
}

/** One line about a batch that runs. */
export function progressText({ batch }: ClientEvent): string {
  const { processed, total, ratePerSecond, etaSeconds } = batch.progress;
  const { failed, invalid } = batch.recordCounts;
  const parts = [
    `Batch ${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID} ${STATUS_TEXTS[batch.status] ?? batch.status}`,
    `${number.format(processed)} of ${number.format(total)} records`,
  ];
  if (failed + invalid > 0) parts.push(`${number.format(failed + invalid)} failed`);
  if (ratePerSecond > 0) parts.push(`${number.format(Math.round(ratePerSecond))}/s`);
  if (etaSeconds !== null) parts.push(`${number.format(etaSeconds)} s left`);
  return parts.join(', ');
}

/** Columns of text. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [headers, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
