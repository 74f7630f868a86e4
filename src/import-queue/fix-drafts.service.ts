import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import {
  deleteDraftLines,
  deleteDrafts,
  type DraftChange,
  type FixDraft,
  openDraft,
  type Replacement,
  selectDoneLines,
  selectDraft,
  SEND_FIELD,
  writeDraftCells,
  writeReplacements,
} from '../batches/fix-drafts.sql.js';
import type { RecordRow } from '../batches/record-pages.sql.js';
import { allErrors } from '../batches/records.sql.js';
import { cellText, jsonMembers } from '../formats/json/json-members.js';
import { WRONG_CELL_COUNT } from '../formats/table-rows.js';
import { EventLoopTurn } from '../platform/concurrency.js';
import { DatabaseService } from '../platform/database/database.service.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, RecordError } from '../records/target.js';
import {
  changedRecord,
  failedPages,
  failedRecords,
  fixedRow,
  FixService,
  isSameText,
  knownFields,
  type KnownFields,
  withoutDone,
} from './fix.service.js';
import { draftTooLarge } from './import-queue.errors.js';

export type { Replacement } from '../batches/fix-drafts.sql.js';

/** The cells of one row as a form sends them, and whether the row is selected; `null`: the form does not state it. */
export interface EditedRow {
  cells: ReadonlyMap<string, string>;
  send: boolean | null;
}

/** A failed row with the changes of a draft. */
export interface FixedRow {
  payload: string;
  isChanged: boolean;
  errors: readonly RecordError[];
}

/** What a draft does to the failed rows that were examined. */
export interface DraftSurvey {
  /** Failed rows that were not sent again. */
  open: number;
  /** Changed rows that are valid and selected. */
  ready: number;
  /** Changed rows that still have errors. */
  wrong: number;
  causes: FixCauses;
  /** Whether there were more rows than were examined. */
  isPartial: boolean;
}

/** Edited cells in one draft. */
const MOST_CELLS = 100_000;
const MOST_REPLACEMENTS = 500;
const MOST_EXAMINED = 20_000;

/** What people change in failed rows before they send them. A draft belongs to one person and one batch. */
@Injectable()
export class FixDraftsService {
  constructor(
    private readonly database: DatabaseService,
    private readonly fixes: FixService,
  ) {}

  /** The draft with the cells of these lines. */
  load(batchId: number, { id }: Principal, lines: readonly number[]): Promise<FixDraft> {
    return selectDraft(this.database, batchId, id, lines);
  }

  /**
   * Stores what a form changed. A cell that shows the value that was sent is no change.
   * @throws DomainError 413 `draft_too_large`, and as `FixService.fixable`
   */
  async save(batchId: number, edited: ReadonlyMap<number, EditedRow>, principal: Principal): Promise<void> {
    await this.fixes.fixable(batchId, principal);
    await this.database.transaction(async (transaction) => {
      await openDraft(transaction, batchId, principal.id);
      const lines = [...edited.keys()];
      const { replacements } = await selectDraft(transaction, batchId, principal.id, lines);
      const changes: DraftChange[] = [];
      for (const record of await failedRecords(transaction, batchId, lines)) {
        const row = edited.get(record.line);
        if (row !== undefined) changes.push(...changesIn(record, row, replacements));
      }
      const cells = await writeDraftCells(transaction, batchId, principal.id, changes);
      if (cells > MOST_CELLS) throw draftTooLarge(MOST_CELLS);
    });
  }

  /** Adds replacements of values in all failed rows; a later one of the same value counts. */
  async replaceAll(batchId: number, added: readonly Replacement[], principal: Principal): Promise<void> {
    await this.changeReplacements(batchId, principal, (replacements) => {
      const isReplaced = ({ field, from }: Replacement) =>
        added.some((each) => each.field === field && each.from === from);
      return [...replacements.filter((each) => !isReplaced(each)), ...added];
    });
  }

  async withdrawReplacement(batchId: number, index: number, principal: Principal): Promise<void> {
    await this.changeReplacements(batchId, principal, (replacements) =>
      replacements.filter((_, place) => place !== index),
    );
  }

  async discard(batchId: number, principal: Principal): Promise<void> {
    await this.fixes.fixable(batchId, principal);
    await deleteDrafts(this.database, batchId, principal.id);
  }

  /**
   * Sends the changed rows that are valid, of all pages, as one batch. Rows that still have errors stay in the draft.
   * Answers the id of the new batch.
   * @param unchanged lines that are sent if they are valid as they are
   * @throws DomainError 409 `state_conflict` if no row can be sent
   */
  async send(batchId: number, unchanged: ReadonlySet<number>, principal: Principal): Promise<number> {
    const draft = await selectDraft(this.database, batchId, principal.id);
    const sent: number[] = [];
    let left = 0;
    return this.fixes.send(batchId, principal, {
      lines: draft.replacements.length > 0 ? null : [...new Set([...draft.rows.keys(), ...unchanged])],
      withoutDone: true,
      choose: (records, target, known) =>
        records.flatMap((record) => {
          const row = draft.rows.get(record.line);
          const { payload, isChanged, errors } = applied(record, draft, target, known);
          if (row?.send === false || (!isChanged && !unchanged.has(record.line))) return [];
          if (errors.length > 0) {
            left += isChanged ? 1 : 0;
            return [];
          }
          sent.push(record.line);
          return [changedRecord(record, payload)];
        }),
      after: async (transaction) => {
        if (left === 0) await deleteDrafts(transaction, batchId, principal.id);
        else await deleteDraftLines(transaction, batchId, principal.id, sent);
      },
    });
  }

  /** What the draft does to the first failed rows, and why those that still fail do. */
  async survey(
    batchId: number,
    principal: Principal,
    target: CompiledTarget,
    mostExamined = MOST_EXAMINED,
  ): Promise<DraftSurvey> {
    const draft = await selectDraft(this.database, batchId, principal.id);
    const found: DraftSurvey = { open: 0, ready: 0, wrong: 0, causes: new FixCauses(), isPartial: false };
    const turn = new EventLoopTurn();
    const known = knownFields(target);
    for await (const records of failedPages(this.database, batchId, null)) {
      for (const record of records) {
        if (turn.isOver) await turn.next();
        const { payload, isChanged, errors } = applied(record, draft, target, known);
        found.open += 1;
        if (isChanged && errors.length > 0) found.wrong += 1;
        if (isChanged && errors.length === 0 && draft.rows.get(record.line)?.send !== false) found.ready += 1;
        for (const error of errors) found.causes.add(record.line, payload, error);
      }
      if (found.open >= mostExamined) {
        found.isPartial = true;
        break;
      }
    }
    return found;
  }

  /** The failed rows of these lines with the changes of the draft. */
  async fixedRows(
    batchId: number,
    lines: readonly number[],
    principal: Principal,
    target: CompiledTarget,
  ): Promise<Map<number, FixedRow>> {
    const draft = await this.load(batchId, principal, lines);
    const known = knownFields(target);
    const records = await withoutDone(
      this.database,
      batchId,
      await failedRecords(this.database, batchId, lines),
    );
    return new Map(records.map((record) => [record.line, applied(record, draft, target, known)]));
  }

  /** The batches in which rows of these lines were sent again and succeeded, or still wait. */
  done(batchId: number, lines: readonly number[]): Promise<Map<number, number>> {
    return selectDoneLines(this.database, batchId, lines);
  }

  private async changeReplacements(
    batchId: number,
    principal: Principal,
    change: (replacements: readonly Replacement[]) => Replacement[],
  ): Promise<void> {
    await this.fixes.fixable(batchId, principal);
    await this.database.transaction(async (transaction) => {
      await openDraft(transaction, batchId, principal.id);
      const { replacements } = await selectDraft(transaction, batchId, principal.id, []);
      const changed = change(replacements);
      if (changed.length > MOST_REPLACEMENTS) throw draftTooLarge(MOST_REPLACEMENTS);
      await writeReplacements(transaction, batchId, principal.id, changed);
    });
  }
}

function changesIn(record: RecordRow, { cells, send }: EditedRow, replacements: readonly Replacement[]) {
  // Every field counts as known, so that a replaced value is cleared and not removed: only its text is compared.
  const replaced = jsonMembers(fixedRow(record.payload, { replacements }, new Map()));
  const changes = [...cells].map(([field, text]): DraftChange => {
    const shown = cellText(replaced.get(field)) ?? '';
    return { line: record.line, field, value: isSameText(text, shown) ? null : text };
  });
  if (send !== null) {
    changes.push({ line: record.line, field: SEND_FIELD, value: send ? null : 'no' });
  }
  return changes;
}

function applied(
  record: RecordRow,
  { replacements, rows }: Pick<FixDraft, 'replacements' | 'rows'>,
  target: CompiledTarget,
  known: KnownFields,
): FixedRow {
  const cells = rows.get(record.line)?.cells;
  const payload = fixedRow(record.payload, { replacements, ...(cells && { cells }) }, known);
  const isChanged = payload !== record.payload;
  const errors = allErrors(target.checkRow(JSON.parse(payload) as JsonObject, payload));
  if (errors.length > 0) return { payload, isChanged, errors };
  const { errorCode, errorMessage } = record;
  // A row with too few or too many cells stays refused until someone has looked at it.
  const isRefused = !isChanged && errorCode === WRONG_CELL_COUNT;
  return { payload, isChanged, errors: isRefused ? [{ code: errorCode, message: errorMessage ?? '' }] : [] };
}

/** Why failed rows fail, grouped so that one answer fixes all rows of a group. */
export interface FixCause {
  code: string;
  /** `null` for an error of the whole row. */
  field: string | null;
  /** The value that all rows of the group have; `null` if the values differ. */
  value: string | null;
  /** Of the first row. */
  message: string;
  count: number;
  sampleLine: number;
}

/** Values that the checks know a better one for. */
export interface FixSuggestion {
  field: string;
  to: string;
  replacements: Replacement[];
  count: number;
}

/** Groups that are counted separately. Further ones are left out, so that a file of random values fills no memory. */
const MOST_CAUSES = 2000;
const LONGEST_VALUE = 200;
/** Values of one field with the same error that are shown one by one. */
const FEW_VALUES = 3;

/** Counts the causes of failed rows. */
class FixCauses {
  private readonly causes = new Map<string, FixCause>();

  add(line: number, payload: string, error: RecordError): void {
    const field = fieldOf(error.pointer);
    const text = field === null ? null : (cellText(jsonMembers(payload).get(field)) ?? '');
    const value = text !== null && text.length <= LONGEST_VALUE ? text : null;
    const key = JSON.stringify([error.code, field, value]);
    const known = this.causes.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.causes.size < MOST_CAUSES) {
      const { code, message } = error;
      this.causes.set(key, { code, field, value, message, count: 1, sampleLine: line });
    }
  }

  /** Most frequent first. Rare values of one field become one cause, of which no value is known. */
  all(limit: number): FixCause[] {
    const byField = Map.groupBy(this.causes.values(), ({ code, field }) => JSON.stringify([code, field]));
    return [...byField.values()]
      .flatMap(withRareOnesTogether)
      .sort((a, b) => b.count - a.count || a.sampleLine - b.sampleLine)
      .slice(0, limit);
  }

  /** For each value that a check suggests, the values that it was suggested for. */
  suggestions(limit: number): FixSuggestion[] {
    const found = new Map<string, FixSuggestion>();
    for (const { field, value, message, count } of this.causes.values()) {
      const to = suggestionIn(message);
      if (field === null || value === null || to === null) continue;
      const key = JSON.stringify([field, to]);
      const suggestion = found.get(key) ?? { field, to, replacements: [], count: 0 };
      suggestion.replacements.push({ field, from: value, to });
      suggestion.count += count;
      found.set(key, suggestion);
    }
    return [...found.values()].sort((a, b) => b.count - a.count).slice(0, limit);
  }
}

function withRareOnesTogether(causes: FixCause[]): FixCause[] {
  const sorted = [...causes].sort((a, b) => b.count - a.count);
  if (sorted.length <= FEW_VALUES) return sorted;
  const frequent = sorted.slice(0, FEW_VALUES).filter(({ count }) => count > 1);
  const [first, ...others] = sorted.slice(frequent.length);
  if (first === undefined) return frequent;
  const count = others.reduce((sum, cause) => sum + cause.count, first.count);
  return [...frequent, { ...first, value: null, count }];
}

/** The value in a sentence such as `Did you mean "Fellow"?`; `null` without one. */
function suggestionIn(message: string): string | null {
  const quoted = /Did you mean ("(?:[^"\\]|\\.)*")\?/.exec(message)?.[1];
  if (quoted === undefined) return null;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return null;
  }
}

/** The field that a pointer leads to or into; `null` without one. */
export function fieldOf(pointer: string | undefined): string | null {
  const step = pointer?.split('/')[1];
  return step === undefined ? null : step.replaceAll('~1', '/').replaceAll('~0', '~');
}
