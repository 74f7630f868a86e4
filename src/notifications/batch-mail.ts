import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import { creatorNames } from '../auth/authenticator.js';
import { resultsUrl } from '../batches/batch-resource.js';
import type { BatchStatus } from '../batches/batch-state.js';
import { type BatchRow, selectBatches } from '../batches/batch-rows.sql.js';
import { recordsBetween } from '../batches/records.sql.js';
import { type MessageRenderer, MessageRenderers, type OutgoingMessage } from '../delivery/message-sender.js';
import {
  type ClaimedMessage,
  DeliveryFault,
  type MailContent,
  NO_AUTOMATIC_REPLIES,
} from '../delivery/message.js';
import { countMailsOfLastHour } from '../delivery/outbox.sql.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { formatDuration, formatNumber, formatTime, oneLine } from '../platform/wording.js';
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

export interface FailedLine {
  line: number;
  code: string | null;
  message: string | null;
}

/**
 * The first records that failed or were invalid, by line. Each chunk counts its errors, so the first N chunks with
 * errors contain the first N errors: in a batch of ten million records, the statement reads at most N chunks.
 */
export async function selectFirstErrors(sql: Sql, batchId: number, limit: number): Promise<FailedLine[]> {
  const { rows } = await sql.query<FailedLine>(
    `WITH guilty AS MATERIALIZED (
       SELECT first_line, last_line
         FROM import_queue_chunk
        WHERE workflow_import_queue_batch_id = $1 AND invalid_count + failed_count + unknown_count > 0
        ORDER BY chunk_number
        LIMIT $2
     )
     SELECT r.line, r.code, r.message
       FROM guilty
      CROSS JOIN LATERAL (
        SELECT line_number AS line, error_code AS code, error_message AS message
          FROM ${recordsBetween('$1', 'guilty.first_line', 'guilty.last_line')} record
         WHERE status IN ('invalid', 'failed', 'unknown')
         ORDER BY line_number
         LIMIT $2) r
      ORDER BY r.line
      LIMIT $2`,
    [batchId, limit],
  );
  return rows;
}

const ERRORS_SHOWN = 10;

/** The facts about a batch that a mail reports. */
interface BatchSummary {
  batch: BatchRow;
  /** The name of the user or key that created it. */
  createdBy: string;
  /** At most `ERRORS_SHOWN`, by line. */
  firstErrors: FailedLine[];
}

/** Reads a batch that has ended. The batch's row has the counts, so ten million records cost as much as ten. */
async function readBatchSummary(sql: Sql, batchId: number): Promise<BatchSummary> {
  const [batch] = await selectBatches(sql, { id: batchId, limit: 1 });
  if (batch === undefined) throw new Error(`batch ${batchId} is gone`);
  const nameOf = await creatorNames(sql, [batch.createdBy]);
  return {
    batch,
    createdBy: nameOf(batch.createdBy),
    firstErrors: refusedCount(batch) > 0 ? await selectFirstErrors(sql, batchId, ERRORS_SHOWN) : [],
  };
}

function refusedCount(batch: Pick<BatchRow, 'invalid' | 'failed' | 'unknown'>): number {
  return batch.invalid + batch.failed + batch.unknown;
}

/** How a batch ended, as mails report it. */
export type MailedOutcome = keyof typeof HEADINGS;

/** @throws Error for a batch that has not ended: no mail reports on such a batch */
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
 * The beginning of the subject does not depend on the file, because clients filter their mail by it. A file name that
 * contains a link is omitted, so that no one can send a person a subject of their choice with a link to follow.
 */
export function subjectOf(
  outcome: MailedOutcome,
  fileName: string,
  batchId: number,
  isRetry = false,
): string {
  const line = oneLine(fileName);
  const name = line.includes('://') ? fill(SENTENCES.batch, { id: String(batchId) }) : line;
  return `${HEADINGS[outcome]}: ${isRetry ? fill(SENTENCES.retry, { name }) : name}`;
}

interface Labeled {
  label: string;
  value: string;
}

/** The values that the templates show. Each text is one line; the templates escape it. */
interface MailModel {
  labels: typeof LABELS;
  subject: string;
  heading: string;
  color: string;
  lead: string;
  failureReason: string | null;
  facts: Labeled[];
  counts: Labeled[];
  /** The sum lets readers check that no record is lost: "998 succeeded + 2 invalid = 1,000 records received". */
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
    subject: subjectOf(outcome, batch.fileName, batch.id, batch.retryOf !== null),
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

/** Replaces the words in braces in one pass: the inserted text is not searched for further words in braces. */
function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (word, name: string) => values[name] ?? word);
}

export interface RenderedMail extends MailContent {
  html: string;
}

const TEMPLATES = join(import.meta.dirname, 'templates');

/**
 * Renders the mails. The mailer's own Handlebars adapter does not fit. It renders while it sends, so nothing could be
 * kept without an SMTP server. It has no Handlebars for the text part, and it uses the global Handlebars. Text and HTML
 * each have their own environment because only HTML is escaped. The templates are compiled at the start, and a name
 * that a template misspells is an error.
 */
@Injectable()
export class MailRenderer implements OnModuleInit {
  private templates: Readonly<Record<'text' | 'html', Handlebars.TemplateDelegate<MailModel>>> | undefined;

  async onModuleInit(): Promise<void> {
    const [text, html] = [Handlebars.create(), Handlebars.create()];
    html.registerPartial('table', await read('_table.html.hbs'));
    const options = { strict: true, preventIndent: true };
    this.templates = {
      text: text.compile(await read('mail.text.hbs'), { ...options, noEscape: true }),
      html: html.compile(await read('mail.html.hbs'), options),
    };
  }

  render(model: MailModel): RenderedMail {
    if (this.templates === undefined) throw new Error('the mail templates are not loaded yet');
    const { text, html } = this.templates;
    return { subject: model.subject, text: text(model), html: html(model) };
  }
}

function read(file: string): Promise<string> {
  return readFile(join(TEMPLATES, file), 'utf8');
}

/** How long a mail above the limit waits before the next attempt. */
const RETRY_AFTER_MS = 10 * 60_000;

/** Renders the mails about batches. */
@Injectable()
export class BatchMails implements MessageRenderer, OnModuleInit {
  constructor(
    private readonly database: DatabaseService,
    private readonly renderer: MailRenderer,
    private readonly renderers: MessageRenderers,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    this.renderers.register('batch_mail', this);
  }

  /**
   * The Message-ID is the same on every attempt, so that receivers can recognize a duplicate. It includes the time of
   * creation because a new database counts from 1 again.
   */
  async render({ id, batchId, recipient, createdAt }: ClaimedMessage): Promise<OutgoingMessage> {
    if (batchId === null) throw new Error(`mail ${id} is about no batch`);
    const { publicUrl } = this.config;
    const summary = await readBatchSummary(this.database, batchId);
    await this.assertWithinLimit(summary.batch.createdBy);
    const model = mailModel(summary, resultsUrl(publicUrl, batchId));
    const mail = {
      ...this.renderer.render(model),
      to: recipient,
      messageId: `<notification-${id}.${createdAt.getTime()}@${new URL(publicUrl).hostname}>`,
      headers: {
        'X-Workflow-Import-Queue-Batch-Id': String(batchId),
        ...NO_AUTOMATIC_REPLIES,
      },
    };
    return { channel: 'mail', mail };
  }

  /**
   * Anyone who may send an import can choose an address, and a text that we mail to it: the file name. Mails above the
   * limit wait. Concurrent senders may exceed the limit by at most one mail each.
   */
  private async assertWithinLimit(createdBy: string): Promise<void> {
    const limit = this.config.mailsPerKeyPerHour;
    if (limit === 0 || !this.config.smtpUrl) return;
    if ((await countMailsOfLastHour(this.database, createdBy, limit)) < limit) return;
    throw new DeliveryFault(
      `the imports of ${createdBy} have caused ${limit} mails within an hour (MAILS_PER_KEY_PER_HOUR)`,
      false,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }
}
