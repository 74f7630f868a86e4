import { Injectable } from '@nestjs/common';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BatchReader } from '../../batches/batch-reader.js';
import type { BatchResource } from '../../batches/batch-resource.js';
import { RecordPages, type RecordRow } from '../../batches/record-pages.js';
import { type ColumnMapping, columnsAddedByDownloads } from '../../formats/csv/csv-columns.js';
import { cellText, jsonMembers } from '../../formats/json/json-members.js';
import { RowDescriptions } from '../../import-processes/row-descriptions.js';
import { ColumnMappingService } from '../../import-queue/column-mapping.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { jsonPointer } from '../../platform/json/json-value.js';
import { excerpt } from '../../platform/wording.js';
import { type FormAnswer, problemView } from '../forms.js';
import { importPath, recordPath, withQuery } from '../layout/links.js';
import { fileSettings } from '../new-import/new-import.page.js';
import { filledIn } from '../new-import/row-form.js';
import { PageRenderer } from '../page-renderer.js';
import { recordLabel } from '../status-label.js';
import { text, type TextKey } from '../texts/catalogue.js';
import { actionButtons } from './import-actions.js';
import { batchView } from './import-view.js';

/** The highest number of columns that the page asks about. */
const MOST_ASKED_COLUMNS = 100;
/** The choice for a column that is not imported. */
const LEFT_OUT = '-';

/** A header of the file, and the fields that it can be matched to. */
interface NamedColumn {
  header: string;
  leftOut: boolean;
  targets: { name: string; text: string; selected: boolean }[];
  hint: string | null;
}

/**
 * The headers of the file that are not fields, and those that are matched to a field of a different name. A match was
 * remembered from an earlier file, or chosen for this one. The page shows it, and it can be changed.
 * @param known the fields of a row
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
      // A remembered match may name a field that templates do not have.
      const names = meant === null || known.includes(meant) ? known : [meant, ...known];
      return {
        header,
        leftOut: target === null,
        targets: names
          .filter((name) => name !== header)
          .map((name) => ({ name, text: fieldName(name), selected: name === meant })),
        hint: hintFor(target, isUnknown),
      };
    });
}

function hintFor(target: string | null, isUnknown: boolean): string | null {
  if (target === null) return text('confirmation.leftOutHint');
  return isUnknown ? text('confirmation.unknownColumn') : null;
}

/** Identifiers begin with a colon, which means nothing to a person. */
const fieldName = (name: string): string => name.replace(/^:/, '');

/** The matches of headers to fields of a different name, for the same file to be read again. */
function renamedColumns({ understood }: Pick<BatchResource, 'understood'>): [string, string | null][] {
  const columns = understood?.columns ?? [];
  const added = columnsAddedByDownloads(columns);
  return columns
    .filter(({ header, target }) => header !== target && !added.has(header))
    .map(({ header, target }) => [header, target]);
}

const FIRST_ROWS = 10;
const MOST_COLUMNS = 40;
const CELL = 80;

const DELIMITERS: Readonly<Record<string, TextKey>> = {
  ',': 'confirmation.delimiters.comma',
  ';': 'confirmation.delimiters.semicolon',
  '\t': 'confirmation.delimiters.tab',
  '|': 'confirmation.delimiters.pipe',
};

/** How an uploaded file was read, for a person to confirm or abandon it. */
@Injectable()
export class ConfirmationPage {
  constructor(
    private readonly creators: CreatorNames,
    private readonly batches: BatchReader,
    private readonly records: RecordPages,
    private readonly rows: RowDescriptions,
    private readonly mappings: ColumnMappingService,
    private readonly pages: PageRenderer,
  ) {}

  /** Leads to the upload that replaces this one, or shows this one again with the error. */
  async applyColumns(id: number, form: unknown, principal: Principal): Promise<FormAnswer> {
    try {
      const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: successor } = await this.mappings.apply(
        id,
        mappingOf(form),
        principal,
      );
      return { path: importPath(successor) };
    } catch (error) {
      if (!(error instanceof DomainError) || error.status !== 400) throw error;
      return { status: error.status, html: await this.render(id, principal, problemView(error)) };
    }
  }

  async render(id: number, principal: Principal, problem?: object): Promise<string> {
    const resource = await this.batches.read(id, principal);
    const nameOf = await this.creators.of([resource.createdBy]);
    const batch = batchView(resource, nameOf(resource.createdBy), new Date());
    const { rows } = await this.records.page(id, { limit: FIRST_ROWS });
    const { understood, summary } = resource;
    const columns = columnsOf(resource, rows);
    const known = (await this.rows.rules(resource.importProcessId)).columns.map(({ name }) => name);
    const mayImport = principal.permissions.includes('BeginWorkflowImportProcess');
    const named = mayImport ? namedColumns(resource, known) : [];
    const nothingValid = summary?.valid === 0;
    return this.pages.render('imports/confirmation', {
      title: batch.fileName,
      section: 'imports',
      batch,
      validShare: 100 - batch.shares.failed,
      summary,
      understood: understood && {
        ...understood,
        format: text(`confirmation.formats.${understood.format}`),
        delimiter: understood.delimiter && delimiterName(understood.delimiter),
      },
      actions: actionButtons(resource, principal).filter(({ name }) => name !== 'confirm' || !nothingValid),
      nothingValid,
      errorGroups: summary?.errorGroups.slice(0, 20) ?? [],
      named,
      missing: summary?.columns?.missing.map(fieldName).join(', '),
      mapping: JSON.stringify(Object.fromEntries(renamedColumns(resource))),
      mayReadAgain: mayImport && understood?.format === 'csv',
      uploadPath: `/imports/new/${resource.importProcessId}`,
      columnsPath: `${batch.path}/columns`,
      ...fileSettings(),
      problem,
      invalidPath: withQuery(`${batch.path}/results`, { set: 'failed', format: 'csv' }),
      columns,
      firstRows: rows.map((row) => firstRow(row, columns, id)),
    });
  }
}

/** A header that keeps its name is matched to itself, which removes a remembered match. */
function mappingOf(form: unknown): ColumnMapping {
  return new Map(
    [...filledIn(form)].map(([header, target]) => [header, target === LEFT_OUT ? null : target || header]),
  );
}

function delimiterName(delimiter: string): string {
  const key = DELIMITERS[delimiter];
  return key === undefined ? delimiter : text(key);
}

function columnsOf({ understood }: BatchResource, rows: readonly RecordRow[]): string[] {
  const named =
    understood?.columns?.flatMap(({ target }) => target ?? []) ??
    rows.flatMap(({ payload }) => [...jsonMembers(payload).keys()]);
  return [...new Set(named)].slice(0, MOST_COLUMNS);
}

function firstRow(row: RecordRow, columns: readonly string[], batchId: number) {
  const members = jsonMembers(row.payload);
  return {
    line: row.line,
    path: recordPath(batchId, row.line),
    label:
      row.status === 'invalid'
        ? recordLabel('invalid')
        : { text: text('confirmation.rowValid'), tone: 'good' },
    error: row.errorMessage,
    cells: columns.map((column) => ({
      column,
      text: excerpt(cellText(members.get(column)) ?? '', CELL),
      wrong: row.errorPointer === jsonPointer(column),
    })),
  };
}
