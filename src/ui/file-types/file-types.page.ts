import { Injectable } from '@nestjs/common';
import { PRIORITIES } from '../../batches/batch-state.js';
import { assertMayUse } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import type { MappedColumn } from '../../formats/recipes.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { SavedMappingsService } from '../../import-processes/saved-mappings.service.js';
import type { ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { TargetConfiguration } from '../../records/target.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer, problemView } from '../forms.js';
import { FILE_TYPE_ICONS, fileTypeIcon } from '../layout/icons.js';
import { templatePath, withQuery } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { fieldName } from '../imports/column-form.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { type FileTypeFormDto, formOf, OTHER, performsOf, readFileType } from './file-type-form.js';

const LIST = '/file-types';
const VERSIONS = 20;
const SHOWN_HEADERS = 12;

interface ShownResult {
  savedVersion?: number | undefined;
  tried?: object;
}

/** File types, as pages call import processes: the list, the form of one, its versions, and the test of a row. */
@Injectable()
export class FileTypesPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly mappings: SavedMappingsService,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly pages: PageRenderer,
  ) {}

  async list({ importProcessIds }: Principal): Promise<string> {
    const processes = (await this.importProcesses.list()).filter(
      ({ id }) => importProcessIds === null || importProcessIds.includes(id),
    );
    return this.pages.render('file-types/list', {
      title: text('fileTypes.title'),
      section: 'file-types',
      fileTypes: processes.map((process, index) => ({
        ...process,
        icon: fileTypeIcon(process.icon),
        path: `${LIST}/${process.id}`,
        action: describeTarget(process.target),
        label: fileTypeLabel(process.status),
        first: index === 0,
        last: index === processes.length - 1,
      })),
    });
  }

  async draft(): Promise<string> {
    return this.form({ status: 'active', icon: 'file-import', onNoMatch: 'create', onMatch: 'update' }, null);
  }

  /** @param more what just happened: a version that was saved, or a row that was tested */
  async show(id: number, principal: Principal, more: ShownResult = {}): Promise<string> {
    assertMayUse(principal, id);
    const process = await this.importProcesses.get(id);
    const savedVersion = more.savedVersion === process.version ? process.version : undefined;
    return this.form(formOf(process, await this.offered()), id, { ...more, savedVersion });
  }

  async add(form: FileTypeFormDto, principal: Principal): Promise<FormAnswer> {
    return this.attempt(form, null, async () => {
      await this.importProcesses.create(readFileType(form), principal.id);
      return LIST;
    });
  }

  async save(id: number, form: FileTypeFormDto, principal: Principal): Promise<FormAnswer> {
    assertMayUse(principal, id);
    return this.attempt(form, id, async () => {
      const { version, ...input } = readFileType(form);
      const saved = await this.importProcesses.replace(id, input, principal.id, version);
      return withQuery(`${LIST}/${id}`, { saved: saved.version });
    });
  }

  async move(id: number, direction: 'up' | 'down', principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.importProcesses.move(id, direction, principal.id);
    return LIST;
  }

  async remove(id: number, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.importProcesses.delete(id, principal.id);
    return LIST;
  }

  /** @throws DomainError 404 `mapping_not_found` */
  async removeMapping(id: number, name: string, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.mappings.remove(id, name, principal.id);
    return `${LIST}/${id}#mappings`;
  }

  /** Checks one row by the rules of pass 1. Nothing is stored. */
  async try(id: number, row: string, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    return this.show(id, principal, { tried: { row, ...(await this.verdict(id, row)) } });
  }

  private async verdict(id: number, row: string) {
    try {
      const parsed: unknown = JSON.parse(row);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
        return { error: { code: 'not_an_object', message: text('fileType.notAnObject') } };
      }
      const { error } = (await this.rows.rules(id)).checkRow(parsed as JsonObject, row);
      return { error, valid: error === null };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { error: { code: 'malformed_json', message: error.message } };
    }
  }

  private attempt(
    form: FileTypeFormDto,
    id: number | null,
    store: () => Promise<string>,
  ): Promise<FormAnswer> {
    return answerForm(store, (error) => {
      const { errors, ...view } = problemView(error);
      const problem = { ...view, errors: errors?.map(withoutField) };
      return this.form(form, id, { problem, errors: fieldErrors(error) });
    });
  }

  private async form(
    form: FileTypeFormDto,
    id: number | null,
    { errors = {}, ...more }: ShownResult & { problem?: object; errors?: FieldErrors } = {},
  ): Promise<string> {
    const choices = await this.choices();
    const stored = id === null ? null : await this.importProcesses.get(id);
    const versions = id === null ? [] : await this.importProcesses.versions(id, VERSIONS);
    const mappings = id === null ? [] : await this.mappings.list(id);
    const nameOf = await this.creators.of([
      ...versions.map(({ createdBy }) => createdBy),
      ...mappings.map(({ savedBy }) => savedBy),
    ]);
    const option = (value: string, label: string, chosen: string | undefined) => ({
      value,
      text: label,
      selected: value === (chosen ?? ''),
    });
    return this.pages.render('file-types/file-type', {
      title: stored?.name ?? text('fileType.newTitle'),
      section: 'file-types',
      path: id === null ? LIST : `${LIST}/${id}`,
      deletePath: `${LIST}/${id}/delete`,
      tablePath:
        stored?.target.kind === 'table' ? withQuery('/file-types/from-table', { edit: stored.id }) : null,
      urlPath: stored?.target.kind === 'http' ? withQuery('/file-types/to-url', { edit: stored.id }) : null,
      id,
      form,
      errors,
      ...more,
      icons: FILE_TYPE_ICONS.map((icon) => option(icon, icon, fileTypeIcon(form.icon ?? ''))),
      statuses: [
        option('active', text('fileType.active'), form.status),
        option('disabled', text('fileType.disabled'), form.status),
      ],
      priorities: PRIORITIES.map((priority) =>
        option(priority, text(`fileType.priorities.${priority}`), form.priority ?? 'normal'),
      ),
      performs: [
        ...choices.map(({ value, text: label }) => option(value, label, form.performs)),
        option(OTHER, text('fileType.otherAction'), form.performs),
      ],
      offersActions: choices.length > 0,
      performsError: errors.performs ?? (form.performs === OTHER ? undefined : errors.target),
      targetError: form.performs === OTHER ? errors.target : undefined,
      onNoMatch: [
        option('create', text('fileType.createIt'), form.onNoMatch),
        option('reject', text('fileType.rejectRow'), form.onNoMatch),
      ],
      onMatch: [
        option('update', text('fileType.updateIt'), form.onMatch),
        option('reject', text('fileType.rejectRow'), form.onMatch),
        option('skip', text('fileType.skipRow'), form.onMatch),
      ],
      versions: versions.map(({ createdBy, createdAt, target, ...version }) => ({
        ...version,
        by: nameOf(createdBy),
        at: createdAt.toISOString(),
        action: describeTarget(target),
      })),
      mappings: mappings.map(({ name, columns, constants, savedBy, savedAt }) => ({
        name,
        editPath: withQuery(`${LIST}/${id}/mapping`, { name }),
        imported: namesOf(columns, ({ field }) => field !== null),
        ignored: namesOf(columns, ({ field }) => field === null),
        constants: Object.entries(constants)
          .map(([field, value]) => `${fieldName(field)} = ${value}`)
          .join(', '),
        by: nameOf(savedBy),
        at: savedAt.toISOString(),
      })),
      templatePath: id === null ? null : templatePath(id),
    });
  }

  private async offered(): Promise<ReadonlySet<string>> {
    return new Set((await this.choices()).map(({ value }) => value));
  }

  /** Every action that an import can perform: those of the data import steps of all workflows. */
  private async choices(): Promise<{ value: string; text: string }[]> {
    return (await this.workflows.list()).flatMap(({ definition: { name, title, steps } }) =>
      steps
        .filter(({ kind }) => kind === 'dataImport')
        .flatMap((step) =>
          [...step.actions.map((action) => action.name), undefined].map((action) => ({
            value: performsOf({ kind: 'workflow', workflow: name, step: step.name, action }) ?? '',
            text: `${title} › ${step.name} › ${action ?? text('fileType.actionOfRow')}`,
          })),
        ),
    );
  }
}

/** The headers of some columns of a mapping, as a person reads them. */
function namesOf(
  columns: Readonly<Record<string, MappedColumn>>,
  isShown: (column: MappedColumn) => boolean,
): string {
  const shown = Object.entries(columns)
    .filter(([, column]) => isShown(column))
    .map(([header, { field }]) => (field === null ? header : `${header} → ${fieldName(field)}`));
  return shown.length > SHOWN_HEADERS ? `${shown.slice(0, SHOWN_HEADERS).join(', ')}, …` : shown.join(', ');
}

/** An error of a whole field is marked there, and its pointer means nothing to a person. */
function withoutField({ pointer, ...mistake }: ProblemDetail): ProblemDetail {
  return pointer?.lastIndexOf('/') === 0
    ? mistake
    : { ...mistake, ...(pointer !== undefined && { pointer }) };
}

function fileTypeLabel(status: string): StatusLabel {
  return status === 'active'
    ? { text: text('fileTypes.active'), tone: 'good' }
    : { text: text('fileTypes.disabled'), tone: 'quiet' };
}

/** The action that is performed with each row, in a few words. */
function describeTarget(target: TargetConfiguration): string {
  const { kind, workflow, step, action, url, connection, schema, table } = target;
  const words = kind === 'workflow' ? [workflow, step, action] : [kind, url, connection, schema, table];
  return words.filter((word) => typeof word === 'string').join(' › ');
}
