import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/access.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { RowSubmissionService } from '../../import-queue/row-submission.service.js';
import { DomainError } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { RecordError } from '../../records/target.js';
import { type FormAnswer, problemView } from '../forms.js';
import { importPath, withQuery } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { filledIn, rowFields, rowOf } from './row-form.js';

const LONGEST_FILE_NAME = 255;

const pathOf = (id: number) => `/imports/new/${id}/one`;

/** Rows entered one by one: each becomes an import of its own. */
@Injectable()
export class OneRowPage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly submission: RowSubmissionService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param sent the import of the previous row */
  async form(
    id: number,
    principal: Principal,
    sent: number | null,
    values: ReadonlyMap<string, string> = new Map(),
    error: RecordError | null = null,
    refusal?: DomainError,
  ): Promise<string> {
    assertMayUse(principal, id);
    const { name, status } = await this.importProcesses.get(id);
    const rules = await this.rows.rules(id);
    const fields = rowFields(rules, values, error);
    return this.pages.render('new-import/one', {
      title: text('oneRow.title', { name }),
      section: 'new-import',
      name,
      path: pathOf(id),
      uploadPath: `/imports/new/${id}`,
      fields,
      disabled: status === 'disabled',
      problem: refusal && problemView(refusal),
      // An error of no column of the form is shown above it.
      error: error !== null && fields.every((field) => field.error === null) ? error : null,
      sent: sent === null ? null : importPath(sent),
    });
  }

  async submit(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    assertMayUse(principal, id);
    const values = filledIn(form);
    const payload = rowOf(values);
    const { error } = (await this.rows.rules(id)).checkRow(JSON.parse(payload) as JsonObject, payload);
    if (error !== null) return { status: 400, html: await this.form(id, principal, null, values, error) };
    const { name } = await this.importProcesses.get(id);
    const fileName = text('oneRow.fileName', { name }).slice(0, LONGEST_FILE_NAME);
    try {
      const sent = await this.submission.submit(id, fileName, [{ line: 1, payload }], principal);
      return { path: withQuery(pathOf(id), { sent }) };
    } catch (refusal) {
      if (!(refusal instanceof DomainError)) throw refusal;
      return { status: refusal.status, html: await this.form(id, principal, null, values, null, refusal) };
    }
  }
}
