import { Injectable } from '@nestjs/common';
import { maySetDefaults } from '../../auth/access.js';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import type { BatchResource, UploadWarning } from '../../batches/batch-resource.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import type { ReadDto } from '../../import-processes/reading.dto.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { SavedMappingsService, type StoredMapping } from '../../import-processes/saved-mappings.service.js';
import { UploadReadingService } from '../../import-queue/upload-reading.service.js';
import { DomainError } from '../../platform/errors.js';
import { validateForm } from '../../platform/http/validation.js';
import { excerpt } from '../../platform/wording.js';
import { type FormAnswer, problemView } from '../forms.js';
import { importPath, withQuery } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { askedColumns, columnGroups, constantsOf, fieldName, mappingOf } from './column-form.js';
import { actionButtons } from './import-actions.js';
import { batchView } from './import-view.js';
import { SaveMappingFormDto, type UseMappingDto } from './imports.dto.js';
import { PreviewTable, type PreviewTableQuery } from './preview-table.js';
import { changedChoices, readingChoices } from './reading-form.js';

const FIRST_ROWS = 10;
const CELL = 80;

const SAMPLES = 3;
/** Errors of saved mappings that a person can correct on the page. */
const SHOWN_CODES = ['too_many_mappings', 'mapping_not_found'];
/** The choice of no saved mapping. */
const NO_MAPPING = '-';
const REFRESH_SECONDS = 3;

/** How an uploaded file was read, for a person to confirm or abandon it. */
@Injectable()
export class ConfirmationPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly rows: RowDescriptions,
    private readonly readings: UploadReadingService,
    private readonly previews: PreviewTable,
    private readonly mappings: SavedMappingsService,
    private readonly pages: PageRenderer,
  ) {}

  /** Reads the file again with the columns of the form, or shows the upload again with the error. */
  applyColumns(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.readAgain(id, principal, async (batch) => {
      const saved = await this.savedMapping(batch);
      const constants = constantsOf(form, batch, saved);
      return { mapping: mappingOf(form, batch), ...(constants !== undefined && { constants }) };
    });
  }

  /** Reads the file again with the choices of the form, or shows the upload again with the error. */
  applyReading(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.readAgain(id, principal, ({ understood }) =>
      Promise.resolve(understood === null ? {} : changedChoices(form, understood)),
    );
  }

  /** Reads the file again with a saved mapping, or without any. */
  useMapping(id: number, { use = '' }: UseMappingDto, principal: Principal): Promise<FormAnswer> {
    const mapping = use === NO_MAPPING ? false : use === '' ? null : use;
    return this.readAgain(id, principal, () => Promise.resolve({ mapping }));
  }

  /** Saves how the file was read under a name, and uses that mapping. */
  saveMapping(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.orProblem(id, principal, () =>
      this.readings.saveMapping(id, validateForm(SaveMappingFormDto, form), principal),
    );
  }

  private async savedMapping({ importProcessId, understood }: BatchResource): Promise<StoredMapping | null> {
    if (understood?.savedMapping == null) return null;
    const mappings = await this.mappings.list(importProcessId);
    return mappings.find(({ name }) => name === understood.savedMapping) ?? null;
  }

  private readAgain(
    id: number,
    principal: Principal,
    choices: (batch: BatchResource) => Promise<ReadDto>,
  ): Promise<FormAnswer> {
    return this.orProblem(id, principal, async () => {
      const chosen = await choices(await this.batches.read(id, principal));
      await this.readings.read(id, () => chosen, principal);
    });
  }

  private async orProblem(
    id: number,
    principal: Principal,
    perform: () => Promise<void>,
  ): Promise<FormAnswer> {
    try {
      await perform();
      return { path: importPath(id) };
    } catch (error) {
      const isShown =
        error instanceof DomainError &&
        ([400, 413, 415, 422].includes(error.status) || SHOWN_CODES.includes(error.code));
      if (!isShown) throw error;
      return { status: error.status, html: await this.render(id, {}, principal, problemView(error)) };
    }
  }

  async render(
    id: number,
    query: PreviewTableQuery,
    principal: Principal,
    problem?: object,
  ): Promise<string> {
    const resource = await this.batches.read(id, principal);
    const mappings = await this.mappings.list(resource.importProcessId);
    const applied = mappings.find(({ name }) => name === resource.understood?.savedMapping);
    const nameOf = await this.creators.of([
      resource.createdBy,
      ...(applied === undefined ? [] : [applied.savedBy]),
    ]);
    const batch = batchView(resource, nameOf(resource.createdBy), new Date());
    const { rows } = await this.records.page(id, { limit: FIRST_ROWS });
    const { understood, summary, progress } = resource;
    const fields = (await this.rows.rules(resource.importProcessId)).columns;
    const given = new Set([
      ...(understood?.columns ?? []).map(({ target }) => target),
      ...Object.keys(understood?.constants ?? {}),
    ]);
    const mayRead =
      principal.permissions.includes('BeginWorkflowImportProcess') ||
      principal.permissions.includes('ManageImports');
    const isTable = understood !== null && understood.columns !== null;
    const isDryRun = resource.status === 'validated';
    const nothingValid = !isDryRun && summary !== null && summary.valid === 0;
    const isBeingRead = summary === null;
    const asked = isTable ? askedColumns(resource, fields, (target) => samplesOf(rows, target)) : [];
    return this.pages.render('imports/confirmation', {
      title: batch.fileName,
      section: 'imports',
      // A reload must not interrupt a person who pages through the rows.
      refreshSeconds:
        isBeingRead || (summary.previewProgress !== null && query.rows === undefined)
          ? REFRESH_SECONDS
          : null,
      batch,
      isBeingRead,
      isDryRun,
      progress,
      failureReason: resource.failureReason,
      validShare: 100 - batch.shares.failed,
      summary,
      format: understood && text(`confirmation.formats.${understood.format}`),
      actions: isBeingRead
        ? []
        : actionButtons(resource, principal)
            .filter(({ name }) => name !== 'confirm' || !nothingValid)
            .map((button) => (button.name === 'confirm' ? confirmButton(button, summary.valid) : button)),
      nothingValid,
      errorGroups: summary?.errorGroups.slice(0, 20) ?? [],
      ...warningsOf(summary),
      choices: isTable && mayRead && !isBeingRead ? readingChoices(understood, summary) : null,
      readingPath: `${batch.path}/read`,
      asked,
      groups: columnGroups(asked),
      mayMatch: mayRead && !isBeingRead,
      constants: Object.entries(understood?.constants ?? {}).map(([field, value]) => ({
        field,
        label: fieldName(field),
        value,
      })),
      newConstants: fields
        .filter(({ name }) => !given.has(name))
        .map(({ name }) => ({ name, text: fieldName(name) })),
      mappingPath: `${batch.path}/mapping`,
      applied: applied && {
        name: applied.name,
        by: nameOf(applied.savedBy),
        at: applied.savedAt.toISOString(),
      },
      mappingChoices: mappingChoices(mappings, applied),
      maySave: maySetDefaults(principal),
      saveName: applied === undefined || applied.automatic ? '' : applied.name,
      notImported: asked
        .filter(({ state }) => state !== 'applied')
        .map(({ header }) => header)
        .join(', '),
      missing: summary?.columns?.missing.map(fieldName).join(', '),
      columnsPath: `${batch.path}/columns`,
      problem,
      invalidPath: withQuery(`${batch.path}/results`, { set: 'failed' }),
      preview: await this.previews.view(resource, query, principal),
    });
  }
}

function mappingChoices(mappings: readonly StoredMapping[], applied: StoredMapping | undefined) {
  if (mappings.length === 0) return [];
  return [
    { value: NO_MAPPING, text: text('confirmation.mapping.none'), selected: applied === undefined },
    ...mappings.map((mapping) => ({
      value: mapping.name,
      text: mapping.name,
      selected: mapping === applied,
    })),
  ];
}

function confirmButton(button: ReturnType<typeof actionButtons>[number], valid: number) {
  return { ...button, text: text('confirmation.import', { count: valid }) };
}

/** Warnings about the reading, and those about what would change, each beside what it is about. */
function warningsOf(summary: BatchResource['summary']) {
  const all = summary?.warnings ?? [];
  const isAboutChanges = ({ code }: UploadWarning) => code === 'many_changes';
  return {
    warnings: all.filter((warning) => !isAboutChanges(warning)).map(warningView),
    changeWarnings: all.filter(isAboutChanges).map(({ message }) => message),
  };
}

function warningView({ message, columns = [], samples = [] }: UploadWarning) {
  return {
    message,
    columns: columns.join(', '),
    samples: samples.map((sample) => excerpt(sample, CELL)),
  };
}

/** The first values of a field, for a person to see what is in its column. */
function samplesOf(rows: readonly RecordRow[], target: string): string {
  const values = rows.map(({ payload }) => cellText(jsonMembers(payload).get(target)) ?? '');
  return [...new Set(values.filter((value) => value !== ''))]
    .slice(0, SAMPLES)
    .map((value) => excerpt(value, CELL))
    .join(' · ');
}
