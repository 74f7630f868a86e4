import { Injectable } from '@nestjs/common';
import { assertMayPrepare } from '../auth/access.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { Principal } from '../auth/principal.js';
import { BatchMaker, FIX_CREATION_PATH, pinnedTo } from '../batches/batch-maker.js';
import { batchExpired, batchNotFound, BatchReader, type BatchRow } from '../batches/batch-reader.js';
import { controlOf, mailAddresses } from '../batches/batch-state.js';
import { lockParent } from '../batches/batches.sql.js';
import { ImportQueueBatchEntity } from '../batches/entities.js';
import { type Replacement, selectDoneLines } from '../batches/fix-drafts.sql.js';
import { type RecordRow, selectNextRecords, selectRecordsAt } from '../batches/record-pages.sql.js';
import { cellJson, cellText, jsonMembers } from '../formats/json/json-members.js';
import { CompiledImportProcesses } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql, type Transaction } from '../platform/database/database.service.js';
import type { DomainError, ProblemDetail } from '../platform/errors.js';
import { httpErrors, invalidBody } from '../platform/http/http.errors.js';
import { ChunkScheduler } from '../processing/chunk-scheduler.js';
import { RESENDABLE } from '../records/record-status.js';
import type { CompiledTarget, RowColumn } from '../records/target.js';
import { lineTooLong, undoCannotBeSentAgain } from './import-queue.errors.js';

/** The changes that a call of Fix states. */
export interface FixRequest {
  /** By line: the JSON of each new value, by field. These rows are sent. */
  lines: ReadonlyMap<number, ReadonlyMap<string, string>>;
  /** Rows in which one of these changes a value are sent, too. */
  replace: readonly Replacement[];
}

/** Which failed records a fix sends, and as what. */
export interface FixSelection {
  /** Only these lines; `null`: all failed records are offered. */
  lines: readonly number[] | null;
  /** Leaves out lines that were sent again already, even if they are named. */
  withoutDone?: boolean;
  /**
   * Answers the records to send, with their changes.
   * @param target the rules that check the records of the new batch
   * @param known the fields that rows may have
   */
  choose: (records: RecordRow[], target: CompiledTarget, known: KnownFields) => RecordRow[];
  /** Runs in the transaction of the new batch, after its records were stored. */
  after?: (transaction: Transaction) => Promise<void>;
}

/** Records to read at a time. */
const PAGE = 1000;

/** Sends failed records of a batch again with changes, as a new batch. The parent never changes. */
@Injectable()
export class FixService {
  constructor(
    private readonly database: DatabaseService,
    private readonly reader: BatchReader,
    private readonly processes: CompiledImportProcesses,
    private readonly maker: BatchMaker,
    private readonly scheduler: ChunkScheduler,
    private readonly config: AppConfig,
  ) {}

  /**
   * The batch whose failed records are to be fixed.
   * @throws DomainError 404 `batch_not_found`, 403, 410 `batch_expired`, 409 `state_conflict` before it is confirmed
   */
  async fixable(batchId: number, principal: Principal): Promise<BatchRow> {
    const batch = await this.reader.row(batchId);
    assertMayPrepare(principal, batch);
    if (batch.expiredAt !== null) throw batchExpired(batchId, batch.expiredAt);
    if (batch.undoOf !== null) throw undoCannotBeSentAgain(batchId, batch.undoOf);
    if (batch.status === 'receiving' || batch.status === 'awaiting_confirmation') {
      throw httpErrors.state_conflict(
        `Batch ${batchId} is ${batch.status}. Its failed records can be fixed after it is confirmed or abandoned.`,
        { extensions: { currentStatus: batch.status } },
      );
    }
    if (batch.status === 'validated') {
      throw httpErrors.state_conflict(
        `Batch ${batchId} is a dry run, which processes nothing. Send its records without validate=true.`,
        { extensions: { currentStatus: batch.status } },
      );
    }
    return batch;
  }

  /**
   * Answers the id of the child.
   * @throws DomainError as `fixable` does; 400 `invalid_body` if a line is not a failed record, 409 `state_conflict` if
   *   nothing is changed
   */
  async fix(batchId: number, { lines, replace }: FixRequest, principal: Principal): Promise<number> {
    await this.fixable(batchId, principal);
    const missing = new Set(lines.keys());
    return this.send(batchId, principal, {
      lines: replace.length === 0 ? [...lines.keys()] : null,
      choose: (records, _target, known) =>
        records.flatMap((record) => {
          const own = lines.get(record.line);
          missing.delete(record.line);
          const replaced = fixedRow(record.payload, { replacements: replace }, known);
          if (own === undefined && replaced === record.payload) return [];
          return changedRecord(record, own === undefined ? replaced : rowWith(replaced, own));
        }),
      after: () => {
        if (missing.size > 0) throw notFailed([...missing]);
        return Promise.resolve();
      },
    });
  }

  /** Answers the id of the child, once it is durable. @throws DomainError 409 `state_conflict` if no record is chosen */
  async send(batchId: number, principal: Principal, selection: FixSelection): Promise<number> {
    const parent = await this.fixable(batchId, principal);
    const { pinned, compiled } = await this.processes.forNewBatch(parent.importProcessId, principal);
    const childId = await this.database.transaction(async (transaction) => {
      // Two calls at once take turns, so that the second one sees what the first one sent.
      const locked = await lockParent(transaction, batchId);
      if (locked === undefined) throw batchNotFound(batchId);
      const child = transaction.manager.create(ImportQueueBatchEntity, {
        fileName: parent.fileName,
        creationPath: FIX_CREATION_PATH,
        createdBy: principal.id,
        resendOf: batchId,
        ...pinnedTo(pinned),
        ...mailAddresses(locked),
      });
      const known = knownFields(compiled);
      const choose = (records: RecordRow[]) =>
        selection.choose(records, compiled, known).map((record) => this.asLine(record));
      const rows = new ChosenRecords(
        failedPages(transaction, batchId, selection.lines, selection.withoutDone),
        choose,
      );
      const select = (_after: number, limit: number) => rows.next(limit);
      await this.maker.save(
        transaction,
        child,
        { kind: 'stored rows', select, compiled },
        controlOf(pinned, {}),
      );
      await selection.after?.(transaction);
      // The refusal rolls back the stored rows.
      if (child.totalCount === 0) throw nothingChanged(batchId);
      await writeAudit(transaction, {
        actor: principal.id,
        action: 'batch_fixed',
        subject: `batch:${batchId}`,
        details: { child: child.id, records: child.totalCount },
      });
      return child.id;
    });
    await this.scheduler.advance(childId);
    return childId;
  }

  /** @throws DomainError 413 `line_too_long`: a fix must not store what CreateBatch refuses */
  private asLine(record: RecordRow): RecordRow {
    const { maxLineBytes } = this.config;
    if (Buffer.byteLength(record.payload) > maxLineBytes) throw lineTooLong(record.line, maxLineBytes);
    return record;
  }
}

export function knownFields({ columns }: Pick<CompiledTarget, 'columns'>): KnownFields {
  return new Map(columns.map((column) => [column.name, column]));
}

/** A record as it is sent again: its earlier error belongs to its earlier values. */
export function changedRecord(record: RecordRow, payload: string): RecordRow {
  return payload === record.payload
    ? record
    : { ...record, payload, errorCode: null, errorMessage: null, errorPointer: null, errors: null };
}

/** Without the records that were sent again already and succeeded, or wait to be processed. */
export async function withoutDone(sql: Sql, batchId: number, records: RecordRow[]): Promise<RecordRow[]> {
  const done = await selectDoneLines(
    sql,
    batchId,
    records.map(({ line }) => line),
  );
  return done.size === 0 ? records : records.filter(({ line }) => !done.has(line));
}

/** Those of these records that failed or were invalid, in line order. */
export function failedRecords(sql: Sql, batchId: number, lines: readonly number[]): Promise<RecordRow[]> {
  return selectRecordsAt(sql, batchId, lines, RESENDABLE);
}

/**
 * The failed records of a batch in line order.
 * @param lines only these; `null`: all that were not sent again
 * @param skipsDone whether named lines are left out if they were sent again already
 */
export async function* failedPages(
  sql: Sql,
  batchId: number,
  lines: readonly number[] | null,
  skipsDone = false,
): AsyncGenerator<RecordRow[]> {
  if (lines !== null) {
    const sorted = [...lines].sort((a, b) => a - b);
    for (let at = 0; at < sorted.length; at += PAGE) {
      const page = await failedRecords(sql, batchId, sorted.slice(at, at + PAGE));
      yield skipsDone ? await withoutDone(sql, batchId, page) : page;
    }
    return;
  }
  let after = 0;
  for (;;) {
    const page = await selectNextRecords(sql, batchId, RESENDABLE, after, PAGE);
    if (page.length === 0) return;
    yield await withoutDone(sql, batchId, page);
    after = page.at(-1)?.line ?? after;
  }
}

/** The chosen ones among many records, in portions of any size. */
class ChosenRecords {
  private readonly chosen: RecordRow[] = [];
  private ended = false;

  constructor(
    private readonly pages: AsyncGenerator<RecordRow[]>,
    private readonly choose: (records: RecordRow[]) => RecordRow[],
  ) {}

  /** The next records; fewer than the limit only at the end. */
  async next(limit: number): Promise<RecordRow[]> {
    while (!this.ended && this.chosen.length < limit) {
      const page = await this.pages.next();
      if (page.done === true) this.ended = true;
      else this.chosen.push(...this.choose(page.value));
    }
    return this.chosen.splice(0, limit);
  }
}

function notFailed(lines: readonly number[]): DomainError {
  const errors: ProblemDetail[] = lines.slice(0, 100).map((line) => ({
    pointer: `/lines/${line}`,
    code: 'no_failed_record',
    message: `line ${line} is not a failed record of this batch`,
  }));
  return invalidBody(errors);
}

function nothingChanged(batchId: number): DomainError {
  return httpErrors.state_conflict(
    `Nothing was sent: no failed record of batch ${batchId} has a value that this changes.`,
  );
}

/** What is changed in one failed row. A field that the row lacks is replaced like an empty one. */
export interface RowChanges {
  replacements: readonly Replacement[];
  /** The text of each changed cell, by field. */
  cells?: ReadonlyMap<string, string>;
}

/** The fields that rows may have. */
export type KnownFields = ReadonlyMap<string, Pick<RowColumn, 'literal' | 'nullable'>>;

/**
 * A failed row with its changes: the replacements first, then the cells. Values that do not change stay exactly as they
 * were sent, to the last digit. A cell that was cleared becomes `null`; if rows have no such field, it is removed.
 * @param known the fields that rows may have
 */
export function fixedRow(payload: string, changes: RowChanges, known: KnownFields): string {
  const members = jsonMembers(payload);
  let isChanged = false;
  const set = (name: string, text: string) => {
    isChanged = true;
    if (text !== '') members.set(name, cellJson(text, known.get(name)));
    else if (members.has(name)) {
      if (known.has(name)) members.set(name, 'null');
      else members.delete(name);
    }
  };
  for (const { field, from, to } of changes.replacements) {
    const text = cellText(members.get(field)) ?? '';
    if (text === from && text !== to) set(field, to);
  }
  for (const [name, sent] of changes.cells ?? []) {
    const before = cellText(members.get(name)) ?? '';
    // A browser sends every line break as CRLF, whatever the value had.
    const text = before.includes('\r\n') ? sent : withLineFeeds(sent);
    if (!isSameText(text, before)) set(name, text);
  }
  return isChanged ? rowText(members) : payload;
}

/** Whether a form field that shows one text still shows it when it comes back as the other: line breaks may differ. */
export function isSameText(text: string, other: string): boolean {
  return withLineFeeds(text) === withLineFeeds(other);
}

/**
 * A failed row with these members.
 * @param members the JSON of each value, exactly as it is to be stored
 */
export function rowWith(payload: string, members: ReadonlyMap<string, string>): string {
  return rowText(new Map([...jsonMembers(payload), ...members]));
}

function rowText(members: ReadonlyMap<string, string>): string {
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

function withLineFeeds(text: string): string {
  return text.replace(/\r\n|\r/g, '\n');
}
