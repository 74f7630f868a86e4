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
import { PageRenderer } from '../page-renderer.js';
import { columnOf, filledIn, rowFields, rowOf } from './row-form.js';

/** Rows entered one by one: each is a batch of its own. */
@Injectable()
export class OneRowPage {
  constructor(
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly submission: RowSubmissionService,
    private readonly pages: PageRenderer,
  ) {}

  /** @param sent the import that the row before became */
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
      title: `Enter one: ${name}`,
      section: 'new-import',
      name,
      path: `/imports/new/${id}/one`,
      uploadPath: `/imports/new/${id}`,
      fields,
      disabled: status === 'disabled',
      problem: refusal && problemView(refusal),
      // Of no column of the form: told above it.
      error: error !== null && fields.every((field) => field.error === null) ? error : null,
      column: columnOf(error?.pointer),
      sent: sent === null ? null : `/imports/${sent}`,
    });
  }

  async submit(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    assertMayUse(principal, id);
    const values = filledIn(form);
    const payload = rowOf(values);
    const { error } = (await this.rows.rules(id)).checkRow(JSON.parse(payload) as JsonObject, payload);
    if (error !== null) return { status: 400, html: await this.form(id, principal, null, values, error) };
    const { name } = await this.importProcesses.get(id);
    const fileName = `One row of ${name}`.slice(0, 255);
    try {
      const sent = await this.submission.submit(id, fileName, [{ line: 1, payload }], principal);
      return { path: `/imports/new/${id}/one?sent=${sent}` };
    } catch (refusal) {
      if (!(refusal instanceof DomainError)) throw refusal;
      return { status: refusal.status, html: await this.form(id, principal, null, values, null, refusal) };
    }
  }
}
