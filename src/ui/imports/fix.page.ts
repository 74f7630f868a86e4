import { Injectable } from '@nestjs/common';
import { assertMayPrepare } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { RowSubmissionService } from '../../import-queue/row-submission.service.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { statusesOf } from '../../records/record-status.js';
import type { CompiledTarget, RecordError } from '../../records/target.js';
import type { FormAnswer } from '../forms.js';
import { importPath, withQuery } from '../layout/links.js';
import { changedRow, columnOf, filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { recordError, relatives } from './import-view.js';

/** Limits of rows, and of cells in a row, that can be corrected on a page. Larger rows are corrected in a file. */
const ROWS = 20;
const MOST_COLUMNS = 60;
const LONGEST_ROW = 20_000;
const CHILDREN = 20;

/** The form that corrects failed rows, checks them at once, and sends the selected ones again. */
@Injectable()
export class FixPage {
  constructor(
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly rows: RowDescriptions,
    private readonly submission: RowSubmissionService,
    private readonly pages: PageRenderer,
  ) {}

  async form(id: number, after: string | undefined, principal: Principal): Promise<string> {
    return this.render(id, after, principal, (row) => ({
      payload: row.payload,
      error: recordError(row),
      send: true,
    }));
  }

  /** Sends the selected rows if all of them are valid. If not, shows them again, each with its error. */
  async submit(
    id: number,
    after: string | undefined,
    form: unknown,
    principal: Principal,
  ): Promise<FormAnswer> {
    const { rows, rules, batch } = await this.load(id, after, principal);
    const known = new Set(rules.columns.map(({ name }) => name));
    const fields = (form ?? {}) as Record<string, unknown>;
    const drafts = new Map(
      rows.map((row) => {
        const changed = filledIn(form, `cell:${row.line}:`);
        const payload = changedRow(row.payload, changed, cellText, known);
        const { error } = rules.checkRow(JSON.parse(payload) as JsonObject, payload);
        return [row.line, { payload, error, send: fields[`send:${row.line}`] !== undefined }];
      }),
    );
    const chosen = [...drafts].filter(([, { send }]) => send);
    const sendable = chosen.length > 0 && chosen.every(([, { error }]) => error === null);
    if (!sendable || fields.check !== undefined) {
      const html = await this.render(id, after, principal, ({ line }) => drafts.get(line), {
        checked: true,
        nothingChosen: chosen.length === 0,
      });
      return { status: sendable || fields.check !== undefined ? 200 : 400, html };
    }
    const lines = chosen.map(([line, { payload }]) => ({ line, payload }));
    const sent = await this.submission.submit(batch.importProcessId, batch.fileName, lines, principal, id);
    return { path: importPath(sent) };
  }

  private async render(
    id: number,
    after: string | undefined,
    principal: Principal,
    draftOf: (row: RecordRow) => { payload: string; error: RecordError | null; send: boolean } | undefined,
    more: object = {},
  ): Promise<string> {
    const { rows, rules, batch, nextCursor, tooLarge } = await this.load(id, after, principal);
    const known = rules.columns.map(({ name }) => name);
    const path = importPath(id);
    const formPath = `${path}/fix`;
    return this.pages.render('imports/fix', {
      title: text('fix.pageTitle', { fileName: batch.fileName }),
      section: 'imports',
      batch: { id, path, fileName: batch.fileName },
      path: withQuery(formPath, { after }),
      nextPath: nextCursor === null ? null : withQuery(formPath, { after: nextCursor }),
      firstPath: after === undefined ? null : formPath,
      tooLarge,
      children: relatives(null, await this.batches.retriesOf(id, CHILDREN)).children,
      rows: rows.flatMap((row) => {
        const draft = draftOf(row);
        if (draft === undefined) return [];
        const { payload, error, send } = draft;
        const members = jsonMembers(payload);
        const wrong = error === null ? null : columnOf(error.pointer);
        return {
          line: row.line,
          send,
          error,
          cells: [...new Set([...known, ...members.keys()])].map((name) => {
            const value = cellText(members.get(name)) ?? '';
            return {
              name,
              field: `cell:${row.line}:${name}`,
              value,
              // A one-line field would drop the line breaks.
              long: (members.get(name)?.length ?? 0) > 80 || /[\r\n]/.test(value),
              wrong: name === wrong,
            };
          }),
        };
      }),
      ...more,
    });
  }

  private async load(id: number, after: string | undefined, principal: Principal) {
    const batch = await this.batches.rowWithRecords(id, principal);
    assertMayPrepare(principal, batch);
    const page = await this.records.page(id, { statuses: statusesOf('failed'), limit: ROWS, after });
    const rows = page.rows.filter(isFixable);
    const rules: CompiledTarget = await this.rows.rules(batch.importProcessId);
    return { batch, rows, rules, nextCursor: page.nextCursor, tooLarge: page.rows.length - rows.length };
  }
}

function isFixable({ payload }: RecordRow): boolean {
  return payload.length <= LONGEST_ROW && jsonMembers(payload).size <= MOST_COLUMNS;
}
