import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { LocalForms } from '../../formats/cell-reading.js';
import { jsonMembers } from '../../formats/json/json-members.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import {
  type EditedRow,
  fieldOf,
  FixDraftsService,
  type FixedRow,
  type Replacement,
} from '../../import-queue/fix-drafts.service.js';
import { FixService } from '../../import-queue/fix.service.js';
import { DomainError } from '../../platform/errors.js';
import { RESENDABLE } from '../../records/record-status.js';
import type { CompiledTarget } from '../../records/target.js';
import { type FormAnswer, problemView } from '../forms.js';
import { importPath, withQuery } from '../layout/navigation.js';
import { filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import {
  causeKey,
  causeView,
  doneRow,
  fieldLabel,
  gridColumns,
  gridRow,
  suggestionView,
} from './fix-grid.js';
import { relatives } from './import-view.js';

/** Rows of a page; fewer if they are wide, so that a form has at most about this many cells. */
const ROWS = 50;
const FEWEST_ROWS = 5;
const CELLS = 1800;
/** Limits of rows that can be corrected on a page. Larger rows are corrected in a file. */
const MOST_COLUMNS = 300;
const LONGEST_ROW = 20_000;
const CHILDREN = 20;
const CAUSES = 12;
/** Rows that are examined after each change, to count those that are ready. */
const EXAMINED_ON_CHANGE = 2000;

/** What a page saved, for its script. */
export interface SavedDraft {
  rows: { line: number; changed: boolean; errors: { field: string | null; message: string }[] }[];
  /** The text of the button that sends the rows. */
  button: string;
  /** The causes that remain, as the page names them; `null` if not all rows were examined. */
  causes: string[] | null;
}

/** The grid that corrects failed rows. What is changed is kept on the server until it is sent. */
@Injectable()
export class FixPage {
  constructor(
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly rows: RowDescriptions,
    private readonly fixes: FixService,
    private readonly drafts: FixDraftsService,
    private readonly pages: PageRenderer,
  ) {}

  async form(id: number, after: string | undefined, principal: Principal): Promise<string> {
    return this.render(id, after, principal);
  }

  /** Saves the changes of a page, and does what the pressed button says; without one, sends the rows that are ready. */
  async submit(
    id: number,
    after: string | undefined,
    form: unknown,
    principal: Principal,
  ): Promise<FormAnswer> {
    const fields = (form ?? {}) as Record<string, unknown>;
    const here = withQuery(`${importPath(id)}/fix`, { after });
    try {
      const local = await this.localForms(id, principal);
      const edited = editedRows(form, local);
      await this.drafts.save(id, edited, principal);
      const replacements = replacementsIn(fields, local);
      if (replacements !== null) {
        await this.drafts.replaceAll(id, replacements, principal);
        return { path: here };
      }
      if (typeof fields.withdraw === 'string') {
        await this.drafts.withdrawReplacement(id, Number(fields.withdraw), principal);
        return { path: here };
      }
      if (typeof fields.go === 'string') {
        return { path: withQuery(`${importPath(id)}/fix`, { after: fields.go || undefined }) };
      }
      if (fields.check !== undefined) return { path: here };
      return await this.send(id, after, edited, { principal, rules: local.rules });
    } catch (error) {
      if (!(error instanceof DomainError) || ![400, 409, 413].includes(error.status)) throw error;
      const html = await this.render(id, after, principal, { problem: problemView(error) });
      return { status: error.status === 409 ? 400 : error.status, html };
    }
  }

  /** Saves the cells that a script sends, and answers how their rows are now. */
  async save(id: number, form: unknown, principal: Principal): Promise<SavedDraft> {
    const local = await this.localForms(id, principal);
    const { rules } = local;
    const edited = editedRows(form, local);
    await this.drafts.save(id, edited, principal);
    const rows = await this.drafts.fixedRows(id, [...edited.keys()], principal, rules);
    const survey = await this.drafts.survey(id, principal, rules, EXAMINED_ON_CHANGE);
    const { ready, isPartial, causes } = survey;
    const fields = new Set(rules.columns.map(({ name }) => name));
    return {
      rows: [...rows].map(([line, { isChanged, errors }]) => ({
        line,
        changed: isChanged,
        errors: errors.map(({ pointer, message, code }) => ({
          field: fieldOf(pointer),
          message: `${message} (${code})`,
        })),
      })),
      button: sendText(isPartial ? 0 : ready),
      causes: isPartial ? null : causes.all(CAUSES).flatMap((cause) => causeKey(cause, fields) ?? []),
    };
  }

  async discard(id: number, principal: Principal): Promise<string> {
    await this.drafts.discard(id, principal);
    return `${importPath(id)}/fix`;
  }

  /** People correct dates and numbers as their file has them, and read reasons that name its form. */
  private async localForms(id: number, principal: Principal): Promise<LocalForms> {
    const { importProcessId } = await this.fixes.fixable(id, principal);
    const { dateOrder, decimalMark } = (await this.batches.sourceFile(id))?.understood ?? {};
    // No one can state an order of dates here, so a file without one takes dates as a record does.
    const form = { dateOrder: dateOrder ?? ('iso' as const), decimalMark: decimalMark ?? ('point' as const) };
    return new LocalForms(await this.rows.rules(importProcessId), form);
  }

  /** Rows that were edited on this page must be valid; others that are not stay in the draft. */
  private async send(
    id: number,
    after: string | undefined,
    edited: ReadonlyMap<number, EditedRow>,
    { principal, rules }: { principal: Principal; rules: CompiledTarget },
  ): Promise<FormAnswer> {
    const selected = [...edited].filter(([, { send }]) => send === true).map(([line]) => line);
    const rows = await this.drafts.fixedRows(id, selected, principal, rules);
    const { rows: draft } = await this.drafts.load(id, principal, selected);
    const isWrong = ([line, { errors }]: [number, FixedRow]) =>
      errors.length > 0 && (draft.get(line)?.cells.size ?? 0) > 0;
    const wrong = [...rows].filter(isWrong);
    if (wrong.length > 0) {
      const stillWrong = text('fix.stillWrong', { count: wrong.length });
      return { status: 400, html: await this.render(id, after, principal, { stillWrong }) };
    }
    const unchanged = new Set([...rows].filter(([, { isChanged }]) => !isChanged).map(([line]) => line));
    try {
      return { path: importPath(await this.drafts.send(id, unchanged, principal)) };
    } catch (error) {
      if (!(error instanceof DomainError) || error.status !== 409) throw error;
      return { status: 400, html: await this.render(id, after, principal, { nothingChosen: true }) };
    }
  }

  private async render(
    id: number,
    after: string | undefined,
    principal: Principal,
    more: object = {},
  ): Promise<string> {
    const batch = await this.fixes.fixable(id, principal);
    const { rules } = await this.localForms(id, principal);
    const limit = Math.max(
      FEWEST_ROWS,
      Math.min(ROWS, Math.floor(CELLS / Math.max(1, rules.columns.length))),
    );
    const page = await this.records.page(id, { statuses: RESENDABLE, limit, after });
    const usable = page.rows.filter(isFixable);
    const lines = page.rows.map(({ line }) => line);
    const rows = await this.drafts.fixedRows(id, lines, principal, rules);
    const draft = await this.drafts.load(id, principal, lines);
    const survey = await this.drafts.survey(id, principal, rules);
    const done = await this.drafts.done(id, lines);
    const columns = gridColumns(
      rules,
      usable.flatMap(({ line }) => rows.get(line) ?? []),
    );
    const path = importPath(id);
    const formPath = `${path}/fix`;
    return this.pages.render('imports/fix', {
      title: text('fix.pageTitle', { fileName: batch.fileName }),
      section: 'imports',
      batch: { id, path, fileName: batch.fileName },
      heading: text('fix.heading', { count: survey.open, fileName: batch.fileName }),
      path: withQuery(formPath, { after }),
      draftPath: `${formPath}/draft`,
      discardPath: `${formPath}/discard`,
      savedAt: draft.savedAt?.toISOString() ?? null,
      next: page.nextCursor,
      firstPath: after === undefined ? null : formPath,
      tooLarge: page.rows.length - usable.length,
      ...relatives({ retryOf: null, resendOf: null }, await this.batches.retriesOf(id, CHILDREN)),
      columns,
      rows: usable.flatMap((sent) => {
        const row = rows.get(sent.line);
        if (row !== undefined) {
          return gridRow(
            id,
            sent,
            row,
            columns,
            isSelected(sent, row, draft.rows.get(sent.line)?.send ?? null),
          );
        }
        const child = done.get(sent.line);
        return child === undefined ? [] : doneRow(sent, id, child);
      }),
      ready: survey.ready,
      sendText: sendText(survey.ready),
      isPartial: survey.isPartial,
      open: survey.open,
      causes: survey.causes.all(CAUSES).map((cause, index) => causeView(cause, index, rules)),
      suggestions: survey.causes.suggestions(CAUSES).map(suggestionView),
      replacements: draft.replacements.map(({ field, ...replacement }, index) => ({
        ...replacement,
        field: fieldLabel(field),
        index,
      })),
      ...more,
    });
  }
}

/** Rows that failed in processing are only sent again if they were changed; they can be retried as they are. */
function isSelected({ status }: RecordRow, { isChanged }: FixedRow, chosen: boolean | null): boolean {
  return chosen ?? (isChanged || status === 'invalid');
}

const sendText = (ready: number) => text(ready === 0 ? 'fix.send' : 'fix.sendReady', { count: ready });

/** The cells and selected rows of a form, by line. */
function editedRows(form: unknown, local: LocalForms): Map<number, EditedRow> {
  const rows = new Map<number, EditedRow & { cells: Map<string, string> }>();
  const rowOf = (line: string) => {
    const number = /^[1-9]\d{0,8}$/.test(line) ? Number(line) : null;
    if (number === null) return null;
    const row = rows.get(number) ?? { cells: new Map<string, string>(), send: false };
    rows.set(number, row);
    return row;
  };
  for (const [field, value] of filledIn(form, 'cell:')) {
    const [, line = '', name = ''] = /^(\d+):(.+)$/s.exec(field) ?? [];
    rowOf(line)?.cells.set(name, local.read(name, value));
  }
  // A script sends only what was changed, and names the rows that are not selected.
  for (const [line] of filledIn(form, 'keep:')) rowOf(line);
  for (const [line] of filledIn(form, 'send:')) {
    const row = rowOf(line);
    if (row !== null) row.send = true;
  }
  return rows;
}

/** The replacements that a pressed button asks for; `null` if none was pressed. */
function replacementsIn(fields: Record<string, unknown>, local: LocalForms): Replacement[] | null {
  const { replace, replaceBy } = fields;
  if (typeof replace === 'string') return parsedReplacements(replace);
  if (typeof replaceBy !== 'string') return null;
  const to = fields[`to:${replaceBy}`];
  const from = fields[`from:${replaceBy}`];
  if (typeof to !== 'string' || typeof from !== 'string') return [];
  return parsedReplacements(JSON.stringify([{ ...(parsed(from) as object), to }])).map((replacement) => ({
    ...replacement,
    to: local.read(replacement.field, to),
  }));
}

function parsedReplacements(json: string): Replacement[] {
  const value = parsed(json);
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    const { field, from, to } = (item ?? {}) as Partial<Record<keyof Replacement, unknown>>;
    const isText = typeof field === 'string' && typeof from === 'string' && typeof to === 'string';
    return isText ? [{ field, from, to }] : [];
  });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function isFixable({ payload }: RecordRow): boolean {
  return payload.length <= LONGEST_ROW && jsonMembers(payload).size <= MOST_COLUMNS;
}
