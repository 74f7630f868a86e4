import { Injectable } from '@nestjs/common';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import { RecordPages } from '../../batches/record-pages.js';
import type { RecordRow } from '../../batches/record-pages.sql.js';
import { type ColumnMapping, columnsAddedByDownloads } from '../../formats/csv/csv-columns.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { ColumnMappingService } from '../../import-queue/column-mapping.service.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { counted, excerpt } from '../../platform/wording.js';
import { type FormAnswer, problemView } from '../forms.js';
import { fileSettings } from '../new-import/new-import.page.js';
import { filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import { recordLabel } from '../status-label.js';
import { type ActionButton, actionButtons } from './import-actions.js';
import { batchView } from './import-view.js';

/** The most columns that a page asks about. */
const MOST_ASKED_COLUMNS = 100;
/** What a header of the file stands for, where somebody says so; this: for nothing. */
const LEFT_OUT = '-';

/** A header of the file, and what somebody may say that it stands for. */
export interface NamedColumn {
  header: string;
  leftOut: boolean;
  targets: { name: string; selected: boolean }[];
  hint: string | null;
}

/**
 * The headers of the file that no row has, and those that stand for something else than their name says. What they
 * stand for was kept from an earlier file, or said of this one: it is seen here, and can be changed.
 * @param known columns of a row
 */
function namedColumns(
  { understood, summary }: Pick<BatchResource, 'understood' | 'summary'>,
  known: readonly string[],
): NamedColumn[] {
  const nearest = new Map(summary?.columns?.unknown.map((column) => [column.header, column.nearest]));
  const columns = understood?.columns ?? [];
  const added = columnsAddedByDownloads(columns);
  return columns
    .filter(({ header, target }) => !added.has(header) && (nearest.has(header) || target !== header))
    .slice(0, MOST_ASKED_COLUMNS)
    .map(({ header, target }) => {
      const isUnknown = nearest.has(header);
      const meant = target === header ? (nearest.get(header) ?? null) : target;
      // What it stands for may be none of the columns that templates have.
      const names = meant === null || known.includes(meant) ? known : [meant, ...known];
      return {
        header,
        leftOut: target === null,
        targets: names.filter((name) => name !== header).map((name) => ({ name, selected: name === meant })),
        hint:
          target === null
            ? 'Not stored: to have it back, send the file again.'
            : isUnknown
              ? UNKNOWN_COLUMN_HINT
              : null,
      };
    });
}

/** What headers stand for besides themselves, for the same file to be read once more. */
function renamedColumns({ understood }: Pick<BatchResource, 'understood'>): [string, string | null][] {
  const columns = understood?.columns ?? [];
  const added = columnsAddedByDownloads(columns);
  return columns
    .filter(({ header, target }) => header !== target && !added.has(header))
    .map(({ header, target }) => [header, target]);
}

const UNKNOWN_COLUMN_HINT = 'No row has such a column.';

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
      return { status: error.status, html: await this.render(id, principal, problemView(error)) };
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
