import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import Handlebars from 'handlebars';
import { creatorNames } from '../auth/authenticator.js';
import { resultsUrl } from '../batches/batch-resource.js';
import type { BatchStatus, PauseReason } from '../batches/batch-state.js';
import { type BatchRow, selectBatches } from '../batches/batch-rows.sql.js';
import { type ErrorGroups, selectErrorGroups } from '../batches/refused-records.sql.js';
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
import { fill, formatDuration, formatNumber, formatTime, oneLine, pluralForm } from '../platform/wording.js';
import {
  beginningOf,
  CAUSE,
  HEADINGS,
  LABELS,
  OPERATIONS,
  PAUSES,
  RECORDS,
  SENTENCES,
  STATES,
  UNKNOWN,
  UNDO_OPERATIONS,
} from './mail-texts.js';

/** The causes of errors that a mail shows. */
const CAUSES_SHOWN = 10;

/** The facts about a batch that a mail reports. */
interface BatchSummary {
  batch: BatchRow;
  /** The name of the user or key that created it. */
  createdBy: string;
  /** Whether it undoes an undo. */
  isRedo: boolean;
  /** Why records failed, as the page of the import shows it. */
  errors: ErrorGroups;
}

/** The batch's row has the counts, and causes come from the first failed records: ten million cost as much as ten. */
async function readBatchSummary(sql: Sql, batchId: number): Promise<BatchSummary> {
  const [batch] = await selectBatches(sql, { id: batchId, limit: 1 });
  if (batch === undefined) throw new Error(`batch ${batchId} is gone`);
  const nameOf = await creatorNames(sql, [batch.createdBy]);
  const [undone] = batch.undoOf === null ? [] : await selectBatches(sql, { id: batch.undoOf, limit: 1 });
  return {
    batch,
    isRedo: undone !== undefined && undone.undoOf !== null,
    createdBy: nameOf(batch.createdBy),
    errors: refusedCount(batch) > 0 ? await selectErrorGroups(sql, batchId) : { groups: [], examined: 0 },
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
  /** Why it failed as a whole, or why it is paused. */
  reason: string | null;
  facts: Labeled[];
  counts: Labeled[];
  /** The sum lets readers check that no record is lost: "998 succeeded + 2 invalid = 1,000 records received". */
  sum: string;
  operations: Labeled[];
  causes: { message: string; code: string; rows: string; line: string }[];
  /** Sentences below the causes: that there are more, and what they were counted in. */
  causesNotes: string[];
  /** `null` if the rows cannot be sent again. */
  fixRows: string | null;
  /** Where the reader goes on, the most likely first. */
  buttons: { text: string; url: string }[];
  /** The failed rows as files. */
  downloads: { text: string; url: string }[];
  resultsUrl: string;
  logoUrl: string | null;
  sender: string;
}

const COLORS: Readonly<Record<MailedOutcome, string>> = {
  succeeded: '#1a7f37',
  'finished-with-errors': '#b45309',
  failed: '#b42318',
  canceled: '#6b7280',
  paused: '#b45309',
  expiring: '#b45309',
};

const STATE_NAMES = Object.keys(STATES) as (keyof typeof STATES)[];
/** The mail shows these even if they are zero. */
const ALWAYS_SHOWN: readonly string[] = ['succeeded', 'failed', 'invalid'];
const OPERATION_NAMES = Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[];

/** What the mail is about, and where its links lead. */
export interface MailFrame {
  /** The address of the service. */
  publicUrl: string;
  sender: string;
  logoUrl: string | null;
  /** Of a mail about a pause. */
  pause?: { reason: PauseReason; detail: string | null };
  /** Of a mail about an upload that expires. */
  expiresAt?: Date;
}

export function mailModel({ batch, createdBy, isRedo, errors }: BatchSummary, frame: MailFrame): MailModel {
  const { publicUrl, sender, logoUrl, pause, expiresAt } = frame;
  const outcome = pause ? 'paused' : expiresAt ? 'expiring' : outcomeOf(batch.status);
  const failed = refusedCount(batch);
  const total = recordsText(batch.total);
  const terms = STATE_NAMES.filter((state) => batch[state] > 0).map(
    (state) => `${formatNumber(batch[state])} ${STATES[state]}`,
  );
  const page = resultsUrl(publicUrl, batch.id);
  const isUndo = batch.undoOf !== null;
  const { heading, lead } = beginningOf(outcome, { total: batch.total, isUndo, isRedo, pause });
  const hasEnded = outcome !== 'paused' && outcome !== 'expiring';
  const mayFix = failed > 0 && hasEnded && !isUndo;
  return {
    labels: LABELS,
    subject: subjectOf(outcome, batch.fileName, batch.id, batch.retryOf !== null),
    heading,
    color: COLORS[outcome],
    lead: fill(lead, {
      fileName: oneLine(batch.fileName),
      total,
      failed: formatNumber(failed),
      expires: expiresAt === undefined ? '' : formatTime(expiresAt.toISOString()),
    }),
    reason: pause ? pauseText(pause) : batch.failureReason === null ? null : oneLine(batch.failureReason),
    facts: facts({ batch, createdBy }, hasEnded),
    counts: STATE_NAMES.filter((state) => batch[state] > 0 || ALWAYS_SHOWN.includes(state)).map((state) => ({
      label: STATES[state],
      value: formatNumber(batch[state]),
    })),
    sum: fill(SENTENCES.sum, { states: terms.join(' + ') || '0', total }),
    operations: outcome === 'expiring' ? [] : operationsOf(batch, isUndo),
    causes: outcome === 'expiring' ? [] : errors.groups.slice(0, CAUSES_SHOWN).map(causeOf),
    causesNotes: [
      ...(batch.unknown > 0
        ? [fill(pluralForm(UNKNOWN, batch.unknown), { count: formatNumber(batch.unknown) })]
        : []),
      ...(errors.groups.length > CAUSES_SHOWN ? [SENTENCES.moreCauses] : []),
      ...(errors.examined > 0 && errors.examined < batch.invalid + batch.failed
        ? [fill(SENTENCES.examined, { count: formatNumber(errors.examined) })]
        : []),
    ],
    fixRows: mayFix ? SENTENCES.fixRows : null,
    buttons: [
      ...(mayFix ? [{ text: LABELS.fixRows, url: `${page}/fix` }] : []),
      { text: openText(outcome), url: page },
    ],
    downloads: mayFix
      ? (['xlsx', 'csv'] as const).map((format) => ({
          text: `.${format}`,
          url: `${publicUrl}/API/WorkflowImportQueue/Batches/${batch.id}/Results?set=failed&shape=record&format=${format}`,
        }))
      : [],
    resultsUrl: page,
    logoUrl,
    sender,
  };
}

function openText(outcome: MailedOutcome): string {
  if (outcome === 'paused') return LABELS.openPaused;
  return outcome === 'expiring' ? LABELS.openUpload : LABELS.openResults;
}

function pauseText({ reason, detail }: NonNullable<MailFrame['pause']>): string {
  return fill(PAUSES[reason], { detail: oneLine(detail ?? '').replace(/\.$/, '') });
}

function operationsOf(batch: BatchRow, isUndo: boolean): Labeled[] {
  if (isUndo) {
    const { succeeded, unchanged, skipped } = batch;
    const undone = { reverted: succeeded - unchanged, kept: skipped, unchanged };
    return Object.entries(UNDO_OPERATIONS).map(([operation, label]) => ({
      label,
      value: formatNumber(undone[operation as keyof typeof UNDO_OPERATIONS]),
    }));
  }
  return OPERATION_NAMES.map((operation) => ({
    label: OPERATIONS[operation],
    value: formatNumber(batch[operation]),
  }));
}

function causeOf({ code, sampleMessage, sampleLine, count }: ErrorGroups['groups'][number]) {
  const message = oneLine(sampleMessage || SENTENCES.noMessage).replace(/\.$/, '');
  const values = {
    message: message.charAt(0).toUpperCase() + message.slice(1),
    code: oneLine(code || 'unknown'),
    count: formatNumber(count),
    line: formatNumber(sampleLine),
  };
  const [, rows = ''] = fill(pluralForm(CAUSE, count), { ...values, message: '', code: '' }).split('(): ');
  return { message: values.message, code: values.code, rows, line: fill(pluralForm(CAUSE, count), values) };
}

function facts(
  { batch, createdBy }: Pick<BatchSummary, 'batch' | 'createdBy'>,
  hasEnded: boolean,
): Labeled[] {
  const ended = batch.finishedAt ?? batch.now;
  const seconds = Math.max(ended.getTime() - (batch.startedAt ?? batch.createdAt).getTime(), 0) / 1000;
  const start = [
    { label: LABELS.file, value: oneLine(batch.fileName) },
    { label: LABELS.fileType, value: oneLine(batch.importProcessName) },
    { label: LABELS.batch, value: String(batch.id) },
    { label: LABELS.creationPath, value: oneLine(batch.creationPath) },
    { label: LABELS.startedBy, value: oneLine(createdBy) },
    { label: LABELS.received, value: formatTime(batch.createdAt.toISOString()) },
  ];
  const end = [
    { label: LABELS.ended, value: formatTime(ended.toISOString()) },
    { label: LABELS.duration, value: formatDuration(seconds) },
  ];
  const metadata = Object.entries(batch.metadata ?? {});
  const stated = metadata.map(([label, value]) => ({ label: oneLine(label), value: oneLine(value) }));
  return [...start, ...(hasEnded ? end : []), ...stated];
}

function recordsText(count: number): string {
  return fill(pluralForm(RECORDS, count), { count: formatNumber(count) });
}

export type RenderedMail = MailContent & { html: string };

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
  async render({
    id,
    batchId,
    recipient,
    createdAt,
    outcome,
    json,
  }: ClaimedMessage): Promise<OutgoingMessage> {
    if (batchId === null) throw new Error(`mail ${id} is about no batch`);
    const { publicUrl } = this.config;
    const summary = await readBatchSummary(this.database, batchId);
    await this.assertWithinLimit(summary.batch.createdBy);
    const model = mailModel(summary, {
      ...this.frame(),
      ...subjectMatter(summary.batch, outcome, json, this.config),
    });
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

  private frame(): Pick<MailFrame, 'publicUrl' | 'sender' | 'logoUrl'> {
    const { publicUrl, mailFrom, mailLogoUrl } = this.config;
    const name = /^\s*"?(.*?)"?\s*<[^<>]*>\s*$/.exec(mailFrom)?.[1] ?? mailFrom;
    return { publicUrl, sender: name.replaceAll('\\"', '"'), logoUrl: mailLogoUrl ?? null };
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

/** What a mail that does not report an end is about. @throws DeliveryFault if there is nothing to report any more */
function subjectMatter(
  batch: BatchRow,
  outcome: ClaimedMessage['outcome'],
  json: string | null,
  { unconfirmedHours }: AppConfig,
): Pick<MailFrame, 'pause' | 'expiresAt'> {
  if (outcome === 'paused') return { pause: JSON.parse(json ?? '{}') as NonNullable<MailFrame['pause']> };
  if (outcome !== 'expiring') return {};
  if (batch.status !== 'awaiting_confirmation')
    throw new DeliveryFault('the upload does not await confirmation any more', true);
  return { expiresAt: new Date(batch.createdAt.getTime() + unconfirmedHours * 3_600_000) };
}
