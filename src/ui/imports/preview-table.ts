import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import type { BatchResource, UploadSummary } from '../../batches/batch-resource.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import type { PreviewResult } from '../../import-queue/batches.dto.js';
import { type PreviewPage, PreviewService } from '../../import-queue/preview.service.js';
import type { RowTrial } from '../../import-queue/row-submission.service.js';
import { DomainError } from '../../platform/errors.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { excerpt, jsonPointer } from '../../platform/wording.js';
import type { FieldChange } from '../../records/target.js';
import { importPath, recordPath, withQuery } from '../layout/navigation.js';
import { recordLabel, type StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { fieldName } from './column-form.js';

const ROWS = 50;
const MOST_COLUMNS = 40;
const CELL = 80;
const SHORT = 16;
const MESSAGE = 200;
/** Things with several rows that the page lists, and the rows that it names of each. */
const MOST_SAME = 20;
const MOST_SAME_ROWS = 10;

/** What the address of the page says about its table of rows. */
export interface PreviewTableQuery {
  operation?: PreviewResult;
  rows?: string;
}

type PreviewItem = Omit<PreviewPage['items'][number], 'operation'> & { operation: PreviewResult | null };

interface PreviewItems {
  items: PreviewItem[];
  nextCursor: string | null;
}

interface CellView {
  column: string;
  text: string;
  /** Present if the value would change: the values as texts, `null` for none. */
  change?: { before: string | null; after: string | null };
  wrong?: string;
  isEmpty: boolean;
  /** Short texts, such as dates, stay on one line. */
  isShort: boolean;
}

const TONES: Readonly<Record<PreviewResult, StatusLabel['tone']>> = {
  created: 'good',
  updated: 'busy',
  unchanged: 'quiet',
  skipped: 'quiet',
  rejected: 'bad',
  invalid: 'bad',
};

/** The names that the log gives to the status and the step of an instance. */
const STATE_FIELDS: Readonly<Record<string, () => string>> = {
  ':WorkflowStatus': () => text('common.status'),
  ':WorkflowStep': () => text('confirmation.step'),
};

/** What an unconfirmed file would change: totals by field, and its rows with old and new values, by what they would do. */
@Injectable()
export class PreviewTable {
  constructor(
    private readonly records: RecordPages,
    private readonly previews: PreviewService,
  ) {}

  async view(batch: BatchResource, query: PreviewTableQuery, principal: Principal) {
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, summary } = batch;
    const operation = isShown(query.operation, summary) ? query.operation : undefined;
    const { items, nextCursor } = await this.items(batch, { ...query, operation }, principal);
    const lines = items.map(({ line }) => line);
    const rows = new Map((await this.records.at(id, lines)).map((row) => [row.line, row]));
    const same = await this.sameThings(id, summary, lines);
    const columns = columnsOf(batch, [...rows.values()], items);
    return {
      tabs: tabsOf(batch, operation),
      changes: changesOf(summary),
      sameThings: same.groups,
      moreSame: Math.max((summary?.sameThing?.length ?? 0) - MOST_SAME, 0),
      columns: columns.map(columnName),
      rows: items.map((item) => rowView(item, rows.get(item.line), { id, columns, sameAs: same.sameAs })),
      firstPath: query.rows === undefined ? null : rowsPath(id, operation, null),
      nextPath: nextCursor === null ? null : rowsPath(id, operation, nextCursor),
    };
  }

  /** A page of the preview; while there is none, the rows as they were checked. */
  private async items(
    { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, summary }: BatchResource,
    { operation, rows: after }: PreviewTableQuery,
    principal: Principal,
  ): Promise<PreviewItems> {
    try {
      if (summary?.operations != null)
        return await this.previews.page(id, { operation, limit: ROWS, after }, principal);
      const statuses = operation === 'invalid' ? (['invalid'] as const) : undefined;
      const { rows, nextCursor } = await this.records.page(id, { statuses, limit: ROWS, after });
      return { items: rows.map(checkedItem), nextCursor };
    } catch (error) {
      // A link from before the preview was there leads to the first rows.
      if (after === undefined || !(error instanceof DomainError) || error.code !== 'invalid_cursor')
        throw error;
      return this.items(
        { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, summary } as BatchResource,
        { operation },
        principal,
      );
    }
  }

  /** The first things that several rows are about, and the first row about the thing of each of these lines. */
  private async sameThings(id: number, summary: UploadSummary | null, lines: readonly number[]) {
    const things = summary?.sameThing ?? [];
    const onPage = new Set(lines);
    const first = new Map<number, number>();
    for (const { lines: about } of things) {
      for (const line of about.slice(1)) if (onPage.has(line)) first.set(line, about[0] ?? line);
    }
    const listed = things.slice(0, MOST_SAME);
    const numbers = await this.records.rowNumbers(id, [
      ...new Set([...first.values(), ...listed.flatMap((thing) => thing.lines.slice(0, MOST_SAME_ROWS))]),
    ]);
    return {
      groups: listed.map(({ identifier, lines: about }) => ({
        identifier: excerpt(identifier.replace(/^:/, ''), CELL),
        rows: about
          .slice(0, MOST_SAME_ROWS)
          .map((line) => ({ path: recordPath(id, line), row: numbers.get(line) ?? line })),
        more: Math.max(about.length - MOST_SAME_ROWS, 0),
      })),
      sameAs: new Map([...first].map(([line, earlier]) => [line, numbers.get(earlier) ?? earlier])),
    };
  }
}

/** Without a preview, only invalid rows can be told from the others. */
function isShown(operation: PreviewResult | undefined, summary: UploadSummary | null): boolean {
  return operation === 'invalid' || summary?.operations != null;
}

function rowsPath(id: number, operation: PreviewResult | undefined, rows: string | null): string {
  return `${withQuery(importPath(id), { operation, rows })}#rows`;
}

function tabsOf(
  { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, recordCounts, summary }: BatchResource,
  current: PreviewResult | undefined,
) {
  const operations = summary?.operations;
  const counted: [PreviewResult | undefined, number][] = [[undefined, recordCounts.total]];
  if (operations != null) {
    const { create, update, unchanged, skip, reject } = operations;
    counted.push(['created', create], ['updated', update], ['unchanged', unchanged]);
    // Only some file types skip rows.
    if (skip > 0) counted.push(['skipped', skip]);
    counted.push(['rejected', reject]);
  }
  counted.push(['invalid', recordCounts.invalid]);
  return counted.map(([operation, count]) => ({
    text: text(`confirmation.tabs.${operation ?? 'all'}`),
    count,
    path: rowsPath(id, operation, null),
    current: operation === current,
  }));
}

/** `null` if nothing that exists would change. */
function changesOf(summary: UploadSummary | null) {
  const fields = summary?.fieldChanges ?? [];
  const cleared = summary?.cleared;
  if (fields.length === 0) return null;
  return {
    fields: fields.map(({ field, count }) => ({ field: columnName(field), count })),
    cleared: cleared == null || cleared.values === 0 ? null : cleared,
  };
}

function checkedItem({ line, row, status }: RecordRow): PreviewItem {
  const operation = status === 'invalid' ? 'invalid' : null;
  return { line, row: row ?? line, operation, reference: null, changes: [], error: null };
}

/** The name of a field, of the status or of the step, as a person reads it. */
export function columnName(name: string): string {
  return STATE_FIELDS[name]?.() ?? fieldName(name);
}

/** The columns of the file, then the fields that an update changes besides them. */
function columnsOf(
  { understood }: BatchResource,
  rows: readonly RecordRow[],
  items: readonly PreviewItem[],
): string[] {
  const named =
    (understood?.columns &&
      understood.columns.flatMap(({ target }) => target ?? []).concat(Object.keys(understood.constants))) ??
    rows.flatMap(({ payload }) => [...jsonMembers(payload).keys()]);
  const changed = items
    .filter(({ operation }) => operation === 'updated')
    .flatMap(({ changes }) => changes.map(({ field }) => field));
  return [...new Set([...[...new Set(named)].slice(0, MOST_COLUMNS), ...changed])];
}

interface RowPlace {
  id: number;
  columns: readonly string[];
  sameAs: ReadonlyMap<number, number>;
}

function rowView(item: PreviewItem, record: RecordRow | undefined, { id, columns, sameAs }: RowPlace) {
  const errors = errorsOf(item, record);
  const changes = new Map(
    item.operation === 'updated' ? item.changes.map((change) => [change.field, change]) : [],
  );
  return {
    path: recordPath(id, item.line),
    row: item.row,
    label: labelOf(item),
    sameAs: sameAs.get(item.line),
    messages: withoutCell(errors, columns).map(({ message }) => excerpt(message, MESSAGE)),
    cells: cellViews(record?.payload ?? '{}', columns, errors, changes),
  };
}

/** The records of an import as a table with the columns of its file. */
export function recordTable(batch: BatchResource, records: readonly RecordRow[]) {
  const columns = columnsOf(batch, records, []);
  return {
    columns: columns.map(columnName),
    rows: records.map((record) => {
      const { line, row, status, operation, reference } = record;
      const errors = errorsIn(record);
      const ofRow = withoutCell(errors, columns);
      return {
        line,
        row,
        path: recordPath(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID, line),
        status: recordLabel(status),
        operation,
        reference,
        errors: ofRow.map(({ message, ...error }) => ({ ...error, message: excerpt(message, MESSAGE) })),
        marked: errors.length - ofRow.length,
        cells: cellViews(record.payload, columns, errors),
      };
    }),
  };
}

/** What would happen to one row: its values as they were read, and those that it would change. */
export function trialView({ payload, errors, outcome }: RowTrial) {
  const changes = outcome?.operation === 'updated' ? (outcome.changes ?? []) : [];
  const columns = [...new Set([...jsonMembers(payload).keys(), ...changes.map(({ field }) => field)])];
  const all = outcome?.status === 'failed' ? [outcome.error] : errors;
  const operation = outcome === null ? null : (outcome.operation ?? 'skipped');
  return {
    label: labelOf({ operation: errors.length > 0 ? 'invalid' : operation }),
    /** Valid, but the target decides. */
    isOpen: outcome === null && errors.length === 0,
    errors: withoutCell(all, columns),
    cells: cellViews(payload, columns, all, new Map(changes.map((change) => [change.field, change]))),
  };
}

/** Errors of cells stand in their cells; these have none. */
function withoutCell<Error extends ErrorView>(errors: readonly Error[], columns: readonly string[]): Error[] {
  const pointers = new Set(columns.map((column) => jsonPointer(column)));
  return errors.filter(({ pointer }) => pointer == null || !pointers.has(pointer));
}

function cellViews(
  payload: string,
  columns: readonly string[],
  errors: readonly ErrorView[],
  changes: ReadonlyMap<string, FieldChange> = new Map(),
): CellView[] {
  const members = jsonMembers(payload);
  return columns.map((column) => {
    const wrong = errors.find(({ pointer }) => pointer === jsonPointer(column))?.message;
    const change = changes.get(column);
    const given = excerpt(cellText(members.get(column)) ?? '', CELL);
    return {
      column: columnName(column),
      text: given,
      isShort: given.length <= SHORT,
      ...(change !== undefined && {
        change: { before: valueText(change.before), after: valueText(change.after) },
      }),
      ...(wrong !== undefined && { wrong: excerpt(wrong, MESSAGE) }),
      isEmpty: given === '' && change === undefined && wrong === undefined,
    };
  });
}

function labelOf({ operation }: Pick<PreviewItem, 'operation'>): StatusLabel {
  if (operation === null) return { text: text('confirmation.rowValid'), tone: 'good' };
  if (operation === 'invalid') return recordLabel('invalid');
  return { text: text(`confirmation.tabs.${operation}`), tone: TONES[operation] };
}

interface ErrorView {
  code: string;
  message: string;
  pointer?: string | null;
}

/** Every error of a record, so that every bad cell is marked. */
function errorsOf({ error }: PreviewItem, record: RecordRow | undefined): readonly ErrorView[] {
  if (error !== null && record?.status !== 'invalid') return [error];
  return record === undefined ? [] : errorsIn(record);
}

function errorsIn({ errorCode, errorMessage, errorPointer, errors }: RecordRow): readonly ErrorView[] {
  if (errorCode === null) return [];
  return errors ?? [{ code: errorCode, message: errorMessage ?? '', pointer: errorPointer }];
}

/** A stored or new value as a person reads it; `null` for none. */
function valueText(value: JsonValue): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return excerpt(value.map((item) => valueText(item) ?? '').join(', '), CELL);
  return excerpt(typeof value === 'string' ? value : JSON.stringify(value), CELL);
}
