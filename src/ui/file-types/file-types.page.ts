import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { PRIORITIES } from '../../batches/batch-state.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import type { MappedColumn } from '../../formats/reading.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { SavedMappingsService } from '../../import-processes/saved-mappings.service.js';
import { RowSubmissionService } from '../../import-queue/row-submission.service.js';
import { DomainError, type ProblemDetail } from '../../platform/errors.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { excerpt } from '../../platform/wording.js';
import type { CompiledTarget, TargetConfiguration } from '../../records/target.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import { answerForm, fieldErrors, type FieldErrors, type FormAnswer, problemView } from '../forms.js';
import { fieldName } from '../imports/column-form.js';
import { trialView } from '../imports/preview-table.js';
import { FILE_TYPE_ICONS, fileTypeIcon } from '../layout/assets.js';
import { instancePath, templatePath, withQuery } from '../layout/navigation.js';
import { filledIn, rowFields, rowOf } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import {
  type FileTypeFormDto,
  formOf,
  OTHER,
  performsOf,
  readFileType,
  schemaView,
} from './file-type-form.js';

const LIST = '/file-types';
const VERSIONS = 20;
const SHOWN_HEADERS = 12;

interface ShownResult {
  savedVersion?: number | undefined;
  /** Whether the rules of rows are edited as JSON. */
  asJson?: boolean;
  tried?: TriedRow;
}

interface TriedRow {
  pasted: string;
  values: ReadonlyMap<string, string>;
  view?: object;
  problem?: string;
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
    private readonly submission: RowSubmissionService,
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

  async draft(asJson: boolean): Promise<string> {
    const form = { status: 'active', icon: 'file-import', onNoMatch: 'create', onMatch: 'update' };
    return this.form(form, null, { asJson });
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

  /** Shows what would happen to a row that was pasted or typed. Nothing is stored. */
  async try(id: number, form: unknown, principal: Principal): Promise<string> {
    assertMayUse(principal, id);
    const { row } = (form ?? {}) as Record<string, unknown>;
    const pasted = typeof row === 'string' && row.trim() !== '' ? row : '';
    const values = filledIn(form);
    const tried = await this.tried(id, pasted, values);
    return this.show(id, principal, { tried });
  }

  private async tried(id: number, pasted: string, values: ReadonlyMap<string, string>): Promise<TriedRow> {
    try {
      const trial = await this.submission.try(id, pasted === '' ? rowOf(values) : pasted);
      const read = [...jsonMembers(trial.payload)].map(
        ([name, json]) => [name, cellText(json) ?? ''] as const,
      );
      const { target } = await this.importProcesses.get(id);
      const { workflow } = target;
      const reference = trial.outcome?.reference ?? null;
      const instance =
        reference !== null && typeof workflow === 'string' ? instancePath(workflow, reference) : null;
      return { pasted, values: new Map(read), view: { ...trialView(trial), instance, reference } };
    } catch (error) {
      if (!(error instanceof DomainError) || error.status < 400 || error.status > 422) throw error;
      return { pasted, values, problem: error.message };
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
    { errors = {}, tried, asJson, ...more }: ShownResult & { problem?: object; errors?: FieldErrors } = {},
  ): Promise<string> {
    const choices = await this.choices();
    const stored = id === null ? null : await this.importProcesses.get(id);
    const versions = id === null ? [] : await this.importProcesses.versions(id, VERSIONS + 1);
    const rules = id === null ? null : await this.rulesOf(id);
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
    const path = id === null ? LIST : `${LIST}/${id}`;
    return this.pages.render('file-types/file-type', {
      title: stored?.name ?? text('fileType.newTitle'),
      section: 'file-types',
      path,
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
      versions: versions.slice(0, VERSIONS).map((version, index) => ({
        ...version,
        by: nameOf(version.createdBy),
        at: version.createdAt.toISOString(),
        changes: versionChanges(versions[index + 1], version),
      })),
      schema: schemaView(
        form,
        id === null ? `${LIST}/new` : path,
        asJson ?? (form.recordSchema !== undefined && form.columns === undefined),
      ),
      knownColumns: rules?.columns.map(({ name }) => name),
      tried,
      tryFields: rules === null ? null : rowFields(rules, tried?.values ?? new Map(), null),
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

  /** `null` if what the file type refers to no longer fits; the page must still open, so that it can be corrected. */
  private async rulesOf(id: number): Promise<CompiledTarget | null> {
    try {
      return await this.rows.rules(id);
    } catch (error) {
      if (error instanceof DomainError) return null;
      throw error;
    }
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

const MEMBERS = [
  ...(['name', 'ordered', 'priority', 'maxFailed', 'maxFailedPercent', 'timeZone'] as const),
  'allowWithoutIdentifier',
] as const;

type ImportProcessVersion = Awaited<ReturnType<ImportProcessesService['versions']>>[number];

/** What a version changed, in words. */
function versionChanges(before: ImportProcessVersion | undefined, after: ImportProcessVersion): string[] {
  if (before === undefined)
    return [after.version === 1 ? text('fileType.firstVersion') : describeTarget(after.target)];
  const change = (member: string, from: unknown, to: unknown) =>
    text('fileType.changedFrom', { member, from: wordFor(from), to: wordFor(to) });
  const members = MEMBERS.filter((member) => before[member] !== after[member]);
  const action = describeTarget(before.target) !== describeTarget(after.target);
  const ofAction = new Set(['kind', 'workflow', 'step', 'action', 'url', 'connection', 'schema', 'table']);
  const parts = [...new Set([...Object.keys(before.target), ...Object.keys(after.target)])].filter(
    (part) =>
      !ofAction.has(part) && JSON.stringify(before.target[part]) !== JSON.stringify(after.target[part]),
  );
  const found = [
    ...members.map((member) => change(text(`fileType.members.${member}`), before[member], after[member])),
    ...(action
      ? [change(text('fileType.action'), describeTarget(before.target), describeTarget(after.target))]
      : []),
    ...parts.map((part) =>
      isTargetWord(part)
        ? change(text(`fileType.targetMembers.${part}`), before.target[part], after.target[part])
        : text('fileType.targetChanged', { part }),
    ),
    ...columnChanges(before.recordSchema, after.recordSchema),
  ];
  return found.length > 0 ? found : [text('fileType.noRuleChanges')];
}

const TARGET_WORDS = ['onNoMatch', 'onMatch', 'muteBehaviors'] as const;
const isTargetWord = (part: string): part is (typeof TARGET_WORDS)[number] =>
  TARGET_WORDS.some((word) => word === part);

function columnChanges(before: JsonObject | null, after: JsonObject | null): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const columnsOf = (schema: JsonObject | null) => {
    const required = Array.isArray(schema?.required) ? schema.required : [];
    const properties = Object.entries((schema?.properties ?? {}) as JsonObject);
    return new Map(
      properties.map(([name, rules]) => [name, JSON.stringify([rules, required.includes(name)])]),
    );
  };
  const [old, now] = [columnsOf(before), columnsOf(after)];
  const added = [...now.keys()].filter((name) => !old.has(name));
  const removed = [...old.keys()].filter((name) => !now.has(name));
  const changed = [...now].flatMap(([name, rules]) =>
    old.has(name) && old.get(name) !== rules ? [name] : [],
  );
  const lists = [
    ...(added.length > 0 ? [text('fileType.columnsAdded', { names: added.join(', ') })] : []),
    ...(removed.length > 0 ? [text('fileType.columnsRemoved', { names: removed.join(', ') })] : []),
    ...(changed.length > 0 ? [text('fileType.columnsChanged', { names: changed.join(', ') })] : []),
  ];
  return lists.length > 0 ? lists : [text('fileType.rulesChanged')];
}

function wordFor(value: unknown): string {
  if (value === null || value === undefined) return text('fileType.notSet');
  if (typeof value === 'boolean') return text(value ? 'fileType.yes' : 'fileType.no');
  return excerpt(typeof value === 'string' ? value : JSON.stringify(value), 60);
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
