import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/access.js';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { TargetConfiguration } from '../../records/target.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { fieldErrors, type FieldErrors, type FormAnswer, problemView } from '../forms.js';
import { FILE_TYPE_ICONS, fileTypeIcon } from '../layout/icons.js';
import { PageRenderer } from '../page-renderer.js';
import { type FileTypeFormDto, formOf, OTHER, performsOf, readFileType } from './file-type-form.js';

const LIST = '/file-types';
const VERSIONS = 20;
const KEPT_COLUMNS = 500;

/** File types, as people call import processes: the list, the form of one, its versions, and a row to try. */
@Injectable()
export class FileTypesPage {
  constructor(
    private readonly database: DatabaseService,
    private readonly importProcesses: ImportProcessesService,
    private readonly rows: RowDescriptions,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly pages: PageRenderer,
  ) {}

  async list({ importProcessIds }: Principal): Promise<string> {
    const processes = (await this.importProcesses.list()).filter(
      ({ id }) => importProcessIds === null || importProcessIds.includes(id),
    );
    return this.pages.render('file-types/list', {
      title: 'File types',
      section: 'file-types',
      fileTypes: processes.map((process, index) => ({
        ...process,
        icon: fileTypeIcon(process.icon),
        path: `${LIST}/${process.id}`,
        does: describeTarget(process.target),
        label:
          process.status === 'active'
            ? { text: 'Active', tone: 'good' }
            : { text: 'Disabled', tone: 'quiet' },
        first: index === 0,
        last: index === processes.length - 1,
      })),
    });
  }

  async draft(): Promise<string> {
    return this.form({ status: 'active', icon: 'file-import', onNoMatch: 'create', onMatch: 'update' }, null);
  }

  async show(id: number, principal: Principal, tried?: object): Promise<string> {
    assertMayUse(principal, id);
    const process = await this.importProcesses.get(id);
    return this.form(formOf(process, await this.offered()), id, tried);
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
      await this.importProcesses.replace(id, input, principal.id, version);
      return `${LIST}/${id}`;
    });
  }

  async move(id: number, direction: 'up' | 'down', principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.importProcesses.move(id, direction);
    return LIST;
  }

  async remove(id: number, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.importProcesses.delete(id, principal.id);
    return LIST;
  }

  /** Files that come later are read as if nobody had said what the header stands for. */
  async forgetColumn(id: number, header: string, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    await this.importProcesses.forgetColumn(id, header);
    return `${LIST}/${id}#columns`;
  }

  /** Checks one row by pass 1, as if it had been sent. */
  async try(id: number, row: string, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    return this.show(id, principal, { row, ...(await this.verdict(id, row)) });
  }

  private async verdict(id: number, row: string) {
    try {
      const parsed: unknown = JSON.parse(row);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
        return { error: { code: 'not_an_object', message: 'A row is a JSON object.' } };
      }
      const { error } = (await this.rows.rules(id)).checkRow(parsed as JsonObject, row);
      return { error, valid: error === null };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return { error: { code: 'malformed_json', message: error.message } };
    }
  }

  private async attempt(
    form: FileTypeFormDto,
    id: number | null,
    store: () => Promise<string>,
  ): Promise<FormAnswer> {
    try {
      return { path: await store() };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const { errors, ...told } = problemView(error);
      const problem = { ...told, errors: errors?.map(withoutField) };
      return {
        status: error.status,
        html: await this.form(form, id, undefined, problem, fieldErrors(error)),
      };
    }
  }

  private async form(
    form: FileTypeFormDto,
    id: number | null,
    tried?: object,
    problem?: object,
    errors: FieldErrors = {},
  ): Promise<string> {
    const choices = await this.choices();
    const stored = id === null ? null : await this.importProcesses.get(id);
    const versions = id === null ? [] : await this.importProcesses.versions(id, VERSIONS);
    const kept = id === null ? [] : await this.importProcesses.keptColumns(id, KEPT_COLUMNS);
    const nameOf = await creatorNames(this.database, [
      ...versions.map(({ createdBy }) => createdBy),
      ...kept.map(({ mappedBy }) => mappedBy),
    ]);
    const option = (value: string, text: string, chosen: string | undefined) => ({
      value,
      text,
      selected: value === (chosen ?? ''),
    });
    return this.pages.render('file-types/file-type', {
      title: stored?.name ?? 'New file type',
      section: 'file-types',
      path: id === null ? LIST : `${LIST}/${id}`,
      id,
      form,
      problem,
      errors,
      icons: FILE_TYPE_ICONS.map((icon) => option(icon, icon, fileTypeIcon(form.icon ?? ''))),
      statuses: [
        option('active', 'Active', form.status),
        option('disabled', 'Disabled: takes no new imports', form.status),
      ],
      performs: [
        ...choices.map(({ value, text }) => option(value, text, form.performs)),
        option(OTHER, 'other: the target below, as JSON', form.performs),
      ],
      performsError: errors.performs ?? (form.performs === OTHER ? undefined : errors.target),
      targetError: form.performs === OTHER ? errors.target : undefined,
      onNoMatch: [
        option('create', 'create it', form.onNoMatch),
        option('reject', 'reject the row', form.onNoMatch),
      ],
      onMatch: [
        option('update', 'update it', form.onMatch),
        option('reject', 'reject the row', form.onMatch),
        option('skip', 'skip the row', form.onMatch),
      ],
      versions: versions.map(({ createdBy, createdAt, target, ...version }) => ({
        ...version,
        by: nameOf(createdBy),
        at: createdAt.toISOString(),
        does: describeTarget(target),
      })),
      kept: kept.map(({ header, target, mappedBy, mappedAt }) => ({
        header,
        target,
        by: nameOf(mappedBy),
        at: mappedAt.toISOString(),
      })),
      templatePath: id === null ? null : `/API/WorkflowImportQueue/ImportProcesses/${id}/Template`,
      tried,
    });
  }

  private async offered(): Promise<ReadonlySet<string>> {
    return new Set((await this.choices()).map(({ value }) => value));
  }

  /** Every action an import can perform: those of the data import steps of all workflows. */
  private async choices(): Promise<{ value: string; text: string }[]> {
    return (await this.workflows.list()).flatMap(({ definition: { name, title, steps } }) =>
      steps
        .filter(({ kind }) => kind === 'dataImport')
        .flatMap((step) =>
          [...step.actions.map((action) => action.name), undefined].map((action) => ({
            value: performsOf({ kind: 'workflow', workflow: name, step: step.name, action }) ?? '',
            text: `${title} › ${step.name} › ${action ?? 'the action that the row names'}`,
          })),
        ),
    );
  }
}

/** A mistake of a whole field is marked there, and its pointer tells a person nothing. */
function withoutField({ pointer, ...mistake }: ProblemDetail): ProblemDetail {
  return pointer?.lastIndexOf('/') === 0
    ? mistake
    : { ...mistake, ...(pointer !== undefined && { pointer }) };
}

/** What becomes of a row, in a few words. */
function describeTarget(target: TargetConfiguration): string {
  const { kind, workflow, step, action, url } = target;
  const words = kind === 'workflow' ? [workflow, step, action] : [kind, url];
  return words.filter((word) => typeof word === 'string').join(' › ');
}
