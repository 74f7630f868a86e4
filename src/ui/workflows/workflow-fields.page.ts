import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { DomainError } from '../../platform/domain-error.js';
import type { WorkflowDefinition } from '../../workflows/definition.js';
import { type FieldEdit, isRequired, withFields } from '../../workflows/definition/field-edits.js';
import {
  WorkflowDefinitionsService,
  workflowResource,
} from '../../workflows/definition/workflow-definitions.service.js';
import { type FormAnswer, problemView } from '../forms.js';
import { withQuery, workflowPath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { type EnteredField, enteredFields, fieldMistakes, fieldRows } from './field-table.js';

/** Empty rows for new fields. Saving offers more. */
const NEW_ROWS = 3;
const NEW_ROW: EnteredField = {
  ...{ header: '', name: '', type: 'ShortText', options: [] },
  ...{ required: false, identifier: false, imported: true },
};

/** The table that edits the fields of a workflow without JSON. */
@Injectable()
export class WorkflowFieldsPage {
  constructor(
    private readonly workflows: WorkflowDefinitionsService,
    private readonly pages: PageRenderer,
  ) {}

  async form(name: string): Promise<string> {
    const { definition, version } = await this.workflows.current(name);
    return this.render(definition, version, [
      ...fieldsOf(definition),
      ...Array<EnteredField>(NEW_ROWS).fill(NEW_ROW),
    ]);
  }

  /** Saves the fields as a new version, based on the version that the form shows. */
  async save(name: string, form: unknown, principal: Principal): Promise<FormAnswer> {
    const stored = await this.workflows.current(name);
    const { version } = (form ?? {}) as { version?: unknown };
    const entered = enteredFields(form);
    // An empty new row is no mistake.
    const kept = entered.filter(({ header, name: given }) => header !== '' || given !== '');
    const mistakes = fieldMistakes(kept, false);
    const again = (more: object) => this.render(stored.definition, Number(version), entered, more);
    if (mistakes.length > 0) return { status: 400, html: again({ mistakes }) };
    try {
      const resource = workflowResource(stored);
      const edited = { ...withFields(resource, kept.map(editOf)), version: Number(version) };
      const saved = await this.workflows.replace(name, edited, principal.id);
      return { path: withQuery(workflowPath(name), { saved: saved.version }) };
    } catch (error) {
      if (!(error instanceof DomainError) || ![400, 409].includes(error.status)) throw error;
      return { status: error.status, html: again({ problem: problemView(error) }) };
    }
  }

  private render(
    definition: WorkflowDefinition,
    version: number,
    fields: readonly EnteredField[],
    more: object = {},
  ): string {
    const { name, title } = definition;
    return this.pages.render('workflows/fields', {
      title: text('workflow.fieldsTitle', { title }),
      section: 'workflows',
      workflow: title,
      workflowPath: workflowPath(name),
      path: `${workflowPath(name)}/fields`,
      version,
      identifiers: definition.identifiers.map((identifier) => identifier.name.slice(1)).join(', '),
      fields: fieldRows(fields, []),
      ...more,
    });
  }
}

function fieldsOf(definition: WorkflowDefinition): EnteredField[] {
  return definition.attributes.map(({ name, type, options = [] }) => ({
    header: name,
    name,
    type,
    options,
    required: isRequired(definition, name),
    identifier: false,
    imported: true,
  }));
}

const editOf = ({ header, name, type, options, required, imported }: EnteredField): FieldEdit => ({
  was: header === '' ? null : header,
  name,
  type,
  options,
  required,
  removed: !imported,
});
