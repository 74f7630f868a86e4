import { Injectable } from '@nestjs/common';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { DomainError } from '../../common/domain.error.js';
import { DatabaseService } from '../../database/database.service.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { BatchReader } from '../../import-queue/results/batch-reader.js';
import type { BatchResource } from '../../import-queue/results/batch-resource.js';
import { cellText, jsonMembers } from '../../import-queue/results/json-members.js';
import type { ColumnMapping } from '../../import-queue/intake/csv/csv-header.js';
import { ColumnMappingService } from '../../import-queue/uploads/column-mapping.service.js';
import { RecordPages } from '../../import-queue/results/record-pages.js';
import type { RecordRow } from '../../import-queue/results/select-records.js';
import { counted, excerpt } from '../../common/format.js';
import { fileSettings } from '../new-import/file-settings.js';
import { filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import type { FormAnswer } from '../send-form-answer.js';
import { toldProblem } from '../told-problem.js';
import { recordLabel } from '../status-label.js';
import { actionButtons, type ActionButton } from './action-buttons.js';
import { batchView } from './batch-view.js';
import { LEFT_OUT, namedColumns, renamedColumns } from './named-columns.js';

const FIRST_ROWS = 10;
const MOST_COLUMNS = 40;
const CELL = 80;

const DELIMITERS: Readonly<Record<string, string>> = {
  ',': 'comma',
  ';': 'semicolon',
  '\t': 'tab',
  '|': 'pipe',
};

/** Confirming what has no valid row is asked about, and not the next thing to do. */
const CONFIRM_NOTHING: Pick<ActionButton, 'primary' | 'question' | 'explanation'> = {
  primary: false,
  question: 'Confirm without a valid row?',
  explanation: 'No row is valid: confirming imports nothing, and ends this import.',
};

/** What was understood of an uploaded file, for a person to confirm or abandon. */
@Injectable()
export class ConfirmationPage {
  constructor(
    private readonly database: DatabaseService,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly rows: RowDescriptions,
    private readonly mappings: ColumnMappingService,
    private readonly pages: PageRenderer,
  ) {}

  /** Leads to the upload that takes this one's place, or shows this one again, with what is wrong. */
  async applyColumns(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    try {
      const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: successor } = await this.mappings.apply(
        id,
        mappingOf(form),
        principal,
      );
      return { path: `/imports/${successor}` };
    } catch (error) {
      if (!(error instanceof DomainError) || error.status !== 400) throw error;
      return { status: error.status, html: await this.render(id, principal, toldProblem(error)) };
    }
  }

  async render(id: number, principal: Principal, problem?: object): Promise<string> {
    const resource = await this.batches.get(id, principal);
    const nameOf = await creatorNames(this.database, [resource.createdBy]);
    const batch = batchView(resource, nameOf(resource.createdBy), new Date());
    const { rows } = await this.records.page(id, { limit: FIRST_ROWS });
    const { understood, summary } = resource;
    const columns = columnsOf(resource, rows);
    const known = (await this.rows.rules(resource.importProcessId)).columns.map(({ name }) => name);
    const mayImport = principal.permissions.includes('BeginWorkflowImportProcess');
    const named = mayImport ? namedColumns(resource, known) : [];
    return this.pages.render('imports/confirmation', {
      title: batch.fileName,
      section: 'imports',
      batch,
      validShare: 100 - batch.shares.refused,
      summary,
      understood: understood && {
        ...understood,
        format: understood.format === 'csv' ? 'CSV' : 'JSON Lines',
        delimiter: understood.delimiter && (DELIMITERS[understood.delimiter] ?? understood.delimiter),
      },
      actions: actionButtons(resource, principal).map((button) =>
        button.name === 'confirm' && summary?.valid === 0 ? { ...button, ...CONFIRM_NOTHING } : button,
      ),
      nothingValid: summary?.valid === 0,
      leftOut: leftOutText(summary?.invalid ?? 0),
      errorGroups: summary?.errorGroups.slice(0, 20) ?? [],
      named,
      missing: summary?.columns?.missing,
      mapping: JSON.stringify(Object.fromEntries(renamedColumns(resource))),
      mayReadAgain: mayImport && understood?.format === 'csv',
      uploadPath: `/imports/new/${resource.importProcessId}`,
      columnsPath: `${batch.path}/columns`,
      ...fileSettings(),
      problem,
      invalidPath: `${batch.path}/results?set=failed&format=csv`,
      columns,
      firstRows: rows.map((row) => firstRow(row, columns, batch.path)),
    });
  }
}

/** A header that stays as it is stands for itself: what was kept of it is forgotten. */
function mappingOf(form: unknown): ColumnMapping {
  return new Map(
    [...filledIn(form)].map(([header, target]) => [header, target === LEFT_OUT ? null : target || header]),
  );
}

function leftOutText(invalid: number): string | null {
  if (invalid === 0) return null;
  return `${counted(invalid, 'invalid row')} ${invalid === 1 ? 'is' : 'are'} left out.`;
}

function columnsOf({ understood }: BatchResource, rows: readonly RecordRow[]): string[] {
  const named =
    understood?.columns?.flatMap(({ target }) => target ?? []) ??
    rows.flatMap(({ payload }) => [...jsonMembers(payload).keys()]);
  return [...new Set(named)].slice(0, MOST_COLUMNS);
}

function firstRow(row: RecordRow, columns: readonly string[], batchPath: string) {
  const members = jsonMembers(row.payload);
  return {
    line: row.line,
    path: `${batchPath}/records/${row.line}`,
    label: row.status === 'invalid' ? recordLabel('invalid') : { text: 'Valid', tone: 'good' },
    error: row.errorMessage,
    cells: columns.map((column) => ({
      column,
      text: excerpt(cellText(members.get(column)) ?? '', CELL),
      wrong: row.errorPointer === `/${column.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    })),
  };
}
