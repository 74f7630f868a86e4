import { Injectable } from '@nestjs/common';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import type { BatchResource, UploadWarning } from '../../batches/batch-resource.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import type { ReadDto } from '../../import-queue/reading.dto.js';
import { UploadReadingService } from '../../import-queue/upload-reading.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { excerpt } from '../../platform/wording.js';
import { type FormAnswer, problemView } from '../forms.js';
import { importPath, withQuery } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import { text } from '../texts/catalogue.js';
import { askedColumns, fieldName, mappingOf } from './column-form.js';
import { actionButtons } from './import-actions.js';
import { batchView } from './import-view.js';
import { PreviewTable, type PreviewTableQuery } from './preview-table.js';
import { changedChoices, readingChoices } from './reading-form.js';

const FIRST_ROWS = 10;
const CELL = 80;

const SAMPLES = 3;
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
    private readonly pages: PageRenderer,
  ) {}

  /** Reads the file again with the columns of the form, or shows the upload again with the error. */
  applyColumns(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.readAgain(id, principal, (batch) => ({ mapping: mappingOf(form, batch) }));
  }

  /** Reads the file again with the choices of the form, or shows the upload again with the error. */
  applyReading(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    return this.readAgain(id, principal, ({ understood }) =>
      understood === null ? {} : changedChoices(form, understood),
    );
  }

  private async readAgain(
    id: number,
    principal: Principal,
    choices: (batch: BatchResource) => ReadDto,
  ): Promise<FormAnswer> {
    try {
      const batch = await this.batches.read(id, principal);
      await this.readings.read(id, () => choices(batch), principal);
      return { path: importPath(id) };
    } catch (error) {
      if (!(error instanceof DomainError) || ![400, 413, 415, 422].includes(error.status)) throw error;
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
    const nameOf = await this.creators.of([resource.createdBy]);
    const batch = batchView(resource, nameOf(resource.createdBy), new Date());
    const { rows } = await this.records.page(id, { limit: FIRST_ROWS });
    const { understood, summary, progress } = resource;
    const known = (await this.rows.rules(resource.importProcessId)).columns.map(({ name }) => name);
    const mayRead =
      principal.permissions.includes('BeginWorkflowImportProcess') ||
      principal.permissions.includes('ManageImports');
    const isTable = understood !== null && understood.columns !== null;
    const isDryRun = resource.status === 'validated';
    const nothingValid = !isDryRun && summary !== null && summary.valid === 0;
    const isBeingRead = summary === null;
    const asked = isTable ? askedColumns(resource, known, (target) => samplesOf(rows, target)) : [];
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
      mayMatch: mayRead && !isBeingRead,
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
