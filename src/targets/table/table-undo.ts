import { integerArray, textArray } from '../../platform/database/copy-rows.js';
import type { Sql } from '../../platform/database/database.service.js';
import { jsonMembers } from '../../formats/json/json-members.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import type {
  FieldChange,
  ImportRecord,
  PreviewedUndo,
  RecordError,
  UndoOutcome,
} from '../../records/target.js';
import {
  type ChangeLog,
  insertEntries,
  isSameRow,
  type LoggedChunk,
  type OwnEntry,
  type RowEntry,
  rowKeyOf,
  selectCurrentRows,
  selectEntries,
  selectLaterEntries,
} from './change-log.sql.js';
import { type TableTransaction, violation } from './table-application.js';
import type { TableTargetPlan } from './table-plan.js';
import { identifier, relation } from './table-shape.js';
import { isRecordState } from './table-statements.js';

/*
 * Undo. Each record of an undo reverts the one entry of the log that the same line of the undone batch wrote, as the
 * undo of a workflow does (ADR 35). Images of rows are compared and given back as the texts that PostgreSQL wrote, so no
 * digit is lost.
 */

/** The members of an image, each with the JSON text of its value; `null`: there is no row. */
type Image = ReadonlyMap<string, string> | null;

const imageOf = (text: string | null): Image => (text === null ? null : jsonMembers(text));

/** Whether a row is as an entry left it. A column that was added since does not count. */
function isAsLeft(current: Image, left: Image): boolean {
  if (current === null || left === null) return current === left;
  return [...left].every(([name, value]) => current.get(name) === value);
}

/** A row after the reverts so far. */
class RevertedRow {
  current: Image;
  private left: Image;
  private readonly entries: RowEntry[];

  /** @param entries newest first, down to the first one of the undone batch */
  constructor(current: string | null, entries: readonly RowEntry[]) {
    this.current = imageOf(current);
    this.left = imageOf(entries[0]?.after ?? null);
    this.entries = [...entries];
  }

  /** The entry, and the newest one after it that is still in effect. An entry and the one that reverts it cancel each other out. */
  find(id: number): { entry: RowEntry; later: RowEntry | null; isReverted: boolean } | null {
    const reverted = new Set<string>();
    let later: RowEntry | null = null;
    for (const entry of this.entries) {
      const key = `${entry.installation}/${entry.batchId}/${entry.line}`;
      if (entry.id === id) return { entry, later, isReverted: reverted.has(key) };
      if (reverted.has(key)) continue;
      if (entry.undoOf !== null) reverted.add(`${entry.installation}/${entry.undoOf}/${entry.line}`);
      else later ??= entry;
    }
    return null;
  }

  get isAsLogged(): boolean {
    return isAsLeft(this.current, this.left);
  }

  /** As if the entry had been reverted. */
  note(entry: RowEntry, patch: ReadonlyMap<string, string>): void {
    const before = imageOf(entry.before);
    this.current = before === null || this.current === null ? before : new Map([...this.current, ...patch]);
    this.left = this.current;
    this.entries.unshift({ ...entry, id: Infinity, batchId: -1, undoOf: entry.batchId });
  }
}

/** What is to be written to revert an entry. */
interface Effect {
  line: number;
  rowKey: string;
  kind: 'update' | 'delete' | 'insert';
  /** The row as it is; for `insert` as it was. */
  image: string;
  /** The columns that get other values. */
  patch: ReadonlyMap<string, string>;
}

const changedSince = (message: string): RecordError => ({ code: 'changed_since', message });

const NOT_LOGGED: RecordError = {
  code: 'not_logged',
  message: 'the log does not say what the record changed: its entries were deleted',
};
const CHANGED_WITHOUT_ENTRY = changedSince(
  'the row has other values than this import gave it, although the log has no later change; it stays as it is',
);

function failed(line: number, reference: string | null, error: RecordError): UndoOutcome {
  return { line, status: 'failed', operation: 'rejected', reference, error };
}

function kept(line: number, reference: string | null, error: RecordError): UndoOutcome {
  return { line, status: 'skipped', operation: 'kept', reference, error };
}

function objectText(members: ReadonlyMap<string, string>): string {
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}

/** Reverts records of a batch in the database of their table. */
export class TableUndo {
  /** Columns that the database computes. An identity column is not one: it can be given back. */
  private readonly generated: ReadonlySet<string>;

  constructor(
    private readonly plan: TableTargetPlan,
    private readonly log: ChangeLog,
    private readonly undoneBatchId: number,
  ) {
    const computed = plan.shape.columns.filter(
      ({ isGenerated, defaultValue }) => isGenerated && defaultValue !== null,
    );
    this.generated = new Set(computed.map(({ name }) => name));
  }

  /** @returns one outcome per record */
  async apply(
    transaction: TableTransaction,
    records: readonly ImportRecord[],
    chunk: LoggedChunk,
  ): Promise<UndoOutcome[]> {
    const lines = records.map(({ line }) => line);
    const entries = new Map(
      (await selectEntries(transaction, this.log, this.undoneBatchId, lines)).map((each) => [
        each.line,
        each,
      ]),
    );
    // A deferred constraint would be checked at COMMIT, when no record can fail by itself.
    await transaction.query('SET CONSTRAINTS ALL IMMEDIATE');
    const outcomes: UndoOutcome[] = [];
    for (const set of setsOf(records, entries)) {
      const own = set.flatMap(({ line }) => entries.get(line) ?? []);
      const rows = await this.load(transaction, own, true);
      const effects: Effect[] = [];
      const references = new Map<number, string | null>();
      for (const { line, reference = null } of set) {
        references.set(line, reference);
        const { outcome, effect } = this.decide(rows, entries.get(line), line, reference);
        if (effect === undefined) outcomes.push(outcome);
        else effects.push(effect);
      }
      const problems = await this.write(transaction, effects, chunk);
      for (const { line } of effects) {
        const reference = references.get(line) ?? null;
        outcomes.push(this.written(line, reference, problems.get(line)));
      }
    }
    return outcomes;
  }

  /** What the undo would do now. It assumes that later records are reverted first. */
  async preview(sql: Sql, records: readonly ImportRecord[]): Promise<PreviewedUndo[]> {
    const lines = records.map(({ line }) => line);
    const entries = await selectEntries(sql, this.log, this.undoneBatchId, lines);
    const rows = await this.load(sql, entries, false);
    const seen = new Map<number, PreviewedUndo>();
    const ofBatch = [...rows.entriesOfBatch].sort((a, b) => b.id - a.id);
    for (const entry of ofBatch) {
      const { outcome, effect } = this.decide(rows, entry, entry.line, null);
      if (effect === undefined) {
        seen.set(entry.line, outcome);
        continue;
      }
      const row = rows.byKey.get(entry.rowKey);
      const before = row?.current ?? null;
      row?.note(entry, effect.patch);
      seen.set(entry.line, { ...outcome, changes: this.changes(before, row?.current ?? null) });
    }
    return records.map(({ line, reference = null }) => ({
      ...(seen.get(line) ?? failed(line, reference, NOT_LOGGED)),
      reference,
    }));
  }

  /** The row of each record, and the unique values that its revert moves. */
  async keys(sql: Sql, records: readonly ImportRecord[]): Promise<Map<number, string[]>> {
    const lines = records.map(({ line }) => line);
    const entries = await selectEntries(sql, this.log, this.undoneBatchId, lines);
    return new Map(entries.map((entry) => [entry.line, [`#${entry.rowKey}`, ...this.uniqueValues(entry)]]));
  }

  private uniqueValues({ before, after }: OwnEntry): string[] {
    const images = [imageOf(before), imageOf(after)];
    return this.plan.shape.uniques.flatMap(({ name, columns }) => {
      const [former, current] = images.map((image) => {
        const values = columns.map((column) => image?.get(column) ?? 'null');
        return values.includes('null') ? null : JSON.stringify(values);
      });
      if (former === current) return [];
      return [former, current].flatMap((values) => (values == null ? [] : [`${name} ${values}`]));
    });
  }

  private async load(sql: Sql, own: readonly OwnEntry[], lock: boolean) {
    const first = new Map<string, OwnEntry>();
    for (const entry of own) {
      const known = first.get(entry.rowKey);
      if (known === undefined || entry.id < known.id) first.set(entry.rowKey, entry);
    }
    // In this order, so that two chunks cannot deadlock.
    const keys = [...first.keys()].sort();
    const firsts = keys.flatMap((key) => first.get(key) ?? []);
    const images = firsts.map(({ before, after }) => after ?? before ?? '{}');
    const current = await selectCurrentRows(sql, this.plan, keys, images, lock);
    // After the locks, so that it sees the entries of everyone who had them before.
    const since = firsts.map(({ id }) => id);
    const entries = await selectLaterEntries(sql, this.log, this.plan, keys, since);
    const byRow = Map.groupBy(entries, ({ rowKey }) => rowKey);
    const byKey = new Map(
      keys.map((key) => [key, new RevertedRow(current.get(key) ?? null, byRow.get(key) ?? [])]),
    );
    const { undoneBatchId, log } = this;
    const entriesOfBatch = entries.filter(
      ({ batchId, installation }) => batchId === undoneBatchId && installation === log.installation,
    );
    return { byKey, texts: current, entriesOfBatch };
  }

  private decide(
    { byKey, texts }: { byKey: ReadonlyMap<string, RevertedRow>; texts: ReadonlyMap<string, string> },
    own: OwnEntry | undefined,
    line: number,
    reference: string | null,
  ): { outcome: UndoOutcome; effect?: Effect } {
    const row = own === undefined ? undefined : byKey.get(own.rowKey);
    const found = own === undefined ? null : (row?.find(own.id) ?? null);
    if (own === undefined || row === undefined || found === null)
      return { outcome: failed(line, reference, NOT_LOGGED) };
    const { later, isReverted } = found;
    if (isReverted) return { outcome: { line, status: 'succeeded', operation: 'unchanged', reference } };
    if (later !== null) {
      const { actor, changedAt, batchId } = later;
      const message = `changed by ${actor} at ${changedAt} (batch ${batchId}, line ${later.line}); it stays as it is`;
      return { outcome: kept(line, reference, changedSince(message)) };
    }
    if (!row.isAsLogged) return { outcome: kept(line, reference, CHANGED_WITHOUT_ENTRY) };
    const outcome: UndoOutcome = { line, status: 'succeeded', operation: 'reverted', reference };
    const [before, after] = [imageOf(own.before), imageOf(own.after)];
    const patch = new Map(
      [...(before ?? [])].filter(([name, value]) => after?.get(name) !== value && !this.generated.has(name)),
    );
    const kind = before === null ? 'delete' : after === null ? 'insert' : 'update';
    if ((row.current === null) !== (kind === 'insert'))
      return { outcome: kept(line, reference, CHANGED_WITHOUT_ENTRY) };
    const image = (kind === 'insert' ? own.before : texts.get(own.rowKey)) ?? own.after ?? '{}';
    return { outcome, effect: { line, rowKey: own.rowKey, kind, image, patch } };
  }

  private changes(before: Image, after: Image): FieldChange[] {
    const names = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
    return [...names].flatMap((name) => {
      const [old, value] = [before?.get(name) ?? 'null', after?.get(name) ?? 'null'];
      if (old === value) return [];
      const planned = this.plan.columns.find(({ column }) => column.name === name);
      const [from, to] = [old, value].map((text) => JSON.parse(text) as JsonValue);
      return [{ field: planned?.field ?? name, before: from ?? null, after: to ?? null }];
    });
  }

  /** Writes the effects; answers the problems of those that the database refuses, by line. */
  private async write(
    transaction: TableTransaction,
    effects: readonly Effect[],
    chunk: LoggedChunk,
  ): Promise<Map<number, unknown>> {
    const problems = new Map<number, unknown>();
    if (effects.length === 0) return problems;
    await transaction.query('SAVEPOINT import_queue_undo');
    try {
      const done = new Set<number>();
      // Former values move between rows, so rows that go make room first.
      for (const kind of ['delete', 'update', 'insert'] as const) {
        const some = effects.filter((effect) => effect.kind === kind);
        if (some.length === 0) continue;
        const statement = this.statement(kind, some, chunk);
        const { rows } = await transaction.query<{ line: number }>(statement, parametersOf(some));
        for (const { line } of rows) done.add(line);
      }
      await transaction.query('RELEASE SAVEPOINT import_queue_undo');
      for (const { line } of effects) if (!done.has(line)) problems.set(line, null);
    } catch (error) {
      if (!isRecordState((error as { code?: unknown }).code)) throw error;
      await transaction.query('ROLLBACK TO SAVEPOINT import_queue_undo');
      const [only] = effects;
      if (effects.length === 1 && only !== undefined) return problems.set(only.line, error);
      const half = effects.length >> 1;
      for (const part of [effects.slice(0, half), effects.slice(half)]) {
        for (const [line, problem] of await this.write(transaction, part, chunk)) problems.set(line, problem);
      }
    }
    return problems;
  }

  /** A statement that writes effects of one kind with their entries, and answers the lines. Parameters: `parametersOf`. */
  private statement(kind: Effect['kind'], effects: readonly Effect[], chunk: LoggedChunk): string {
    const { plan } = this;
    const into = relation(plan.configuration);
    const sent = `w AS (SELECT * FROM unnest($1::integer[], $2::text[], $3::json[], $4::json[], $5::jsonb[])
      AS w (line, row_key, image, patch, names))`;
    const record = (from: string) => `json_populate_record(NULL::${into}, ${from})`;
    const names = [...new Set(effects.flatMap(({ patch }) => [...patch.keys()]))];
    const columns = names.map(identifier);
    const logged = (before: string, after: string) =>
      `, logged AS (${insertEntries(chunk, plan, this.undoneBatchId, `SELECT w.line, w.row_key, ${before}, ${after} FROM done JOIN w USING (row_key)`)} RETURNING line)
      SELECT line FROM logged`;
    if (kind === 'delete') {
      return `WITH ${sent}, done AS (
          DELETE FROM ${into} t USING w, ${record('w.image')} k WHERE ${isSameRow(plan, 't', 'k')} RETURNING w.row_key)
        ${logged('w.image', 'NULL::json')}`;
    }
    if (kind === 'insert') {
      return `WITH ${sent}, done AS (
          INSERT INTO ${into} AS t (${columns.join(', ')}) OVERRIDING SYSTEM VALUE
          SELECT ${columns.map((name) => `p.${name}`).join(', ')} FROM w, ${record('w.image')} p
          RETURNING ${rowKeyOf(plan, 't')} AS row_key, row_to_json(t) AS after)
        ${logged('NULL::json', 'done.after')}`;
    }
    const assignments = names.map((name) => {
      const isGiven = `w.names ? '${name.replaceAll("'", "''")}'`;
      return `${identifier(name)} = CASE WHEN ${isGiven} THEN p.${identifier(name)} ELSE t.${identifier(name)} END`;
    });
    return `WITH ${sent}, done AS (
        UPDATE ${into} t SET ${assignments.join(', ')} FROM w, ${record('w.image')} k, ${record('w.patch')} p
         WHERE ${isSameRow(plan, 't', 'k')} RETURNING w.row_key, row_to_json(t) AS after)
      ${logged('w.image', 'done.after')}`;
  }

  private written(line: number, reference: string | null, problem: unknown): UndoOutcome {
    if (problem === undefined) return { line, status: 'succeeded', operation: 'reverted', reference };
    if (problem === null) {
      const message = 'the database did not revert the row: a trigger dropped or changed it';
      return failed(line, reference, { code: 'not_written', message });
    }
    const { code, message, detail, constraint, column } = problem as Record<string, string | undefined>;
    const refused = violation({ state: code, message, detail, constraint, column }, this.plan);
    // Another row has the value now, or refers to this one.
    if (code === '23503' || code === '23505' || code === '23P01')
      return kept(line, reference, changedSince(`${refused.message}; it stays as it is`));
    return failed(line, reference, refused);
  }
}

/** Records about one row go into different sets, in the order in which they are reverted. */
function setsOf(records: readonly ImportRecord[], entries: ReadonlyMap<number, OwnEntry>): ImportRecord[][] {
  const sets: ImportRecord[][] = [];
  const counts = new Map<string, number>();
  for (const record of records) {
    const key = entries.get(record.line)?.rowKey;
    const place = key === undefined ? 0 : (counts.get(key) ?? 0);
    if (key !== undefined) counts.set(key, place + 1);
    (sets[place] ??= []).push(record);
  }
  return sets;
}

function parametersOf(effects: readonly Effect[]): unknown[] {
  return [
    integerArray(effects.map(({ line }) => line)),
    textArray(effects.map(({ rowKey }) => rowKey)),
    textArray(effects.map(({ image }) => image)),
    textArray(effects.map(({ patch }) => objectText(patch))),
    textArray(effects.map(({ patch }) => JSON.stringify([...patch.keys()]))),
  ];
}
