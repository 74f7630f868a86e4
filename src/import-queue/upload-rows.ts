import { Readable } from 'node:stream';
import type { BatchSource } from '../batches/batch-maker.js';
import type { RecordCollector } from '../batches/record-collector.js';
import type { ColumnFindings, UploadFindings } from '../batches/upload-findings.js';
import { type ColumnMapping, FieldNames } from '../formats/csv/csv-columns.js';
import { emptyFile } from '../formats/format.errors.js';
import { JsonLinesReader } from '../formats/jsonl/json-lines-reader.js';
import type { Reading } from '../formats/reading.js';
import type { FileBytes, TableSource } from '../formats/table.js';
import { TableRows } from '../formats/table-rows.js';
import { type ReadingWarning, surveyTable, type TablePlan } from '../formats/table-survey.js';
import { openUpload, understoodJsonLines, understoodTable } from '../formats/upload-reader.js';
import { nearestName } from '../platform/wording.js';
import type { CompiledTarget, RowColumn } from '../records/target.js';
import type { RecordQuota } from './admission.service.js';
import { asRefusal, BodyIntake, type IntakeLimits, TooManyRecordsError } from './intake/body-intake.js';
import { TableIntake } from './intake/table-intake.js';

/** Columns that every row of a workflow may have. Templates omit them, because few users need them. */
const ALWAYS_KNOWN: readonly RowColumn[] = [':WorkflowActionId', ':WorkflowActionName'].map((name) => ({
  name,
  required: false,
  kind: 'action',
  description: 'The action of the row',
  example: '',
}));

export interface FileToRead {
  file: FileBytes;
  reading: Reading;
  /** What earlier files of the import process have left. */
  saved: ColumnMapping;
  compiled: CompiledTarget;
  limits: IntakeLimits;
  chunkSize: number;
  /** Told the number of records before they are written. */
  quota: RecordQuota;
  /** Told the number of records now and then. */
  progress?: (records: number) => void;
}

/** A file that can be read: its rows, and what its batch keeps about the reading. */
export interface UploadRows {
  source: BatchSource;
  /** Call it after all rows were written. */
  findings: (rows: RecordCollector) => Omit<UploadFindings, 'mapping'>;
  /** Runs the transaction that writes the rows. */
  storing: <Result>(transaction: () => Promise<Result>) => Promise<Result>;
}

/**
 * Finds out how a file is to be read. Nothing was stored if it is refused.
 * @throws DomainError as CreateBatch does, and for files that cannot be read
 */
export async function prepareRows(from: FileToRead): Promise<UploadRows> {
  try {
    const { columns } = from.compiled;
    const known = columns.length === 0 ? [] : [...columns, ...ALWAYS_KNOWN];
    const fields = new FieldNames(known.map(({ name }) => name));
    const { file, reading, limits } = from;
    const { mapping } = reading;
    const names = fields.areOpen
      ? fields
      : new FieldNames([...fields.all(), ...Object.keys(mapping), ...from.saved.keys()]);
    const opened = await openUpload(file, { reading, fields: names, maxLineBytes: limits.maxLineBytes });
    if (opened.format === 'jsonl') return await jsonLines(from);
    const survey = opened.open();
    const plan = await surveyTable(survey, {
      ...{ fields, columns: known, reading, saved: from.saved },
      mapping: new Map(Object.entries(mapping)),
    });
    if (plan.records === 0) throw emptyFile();
    if (plan.records > limits.maxRecords) throw new TooManyRecordsError();
    await from.quota(plan.records);
    return tableRows(from, plan, survey, opened.open());
  } catch (error) {
    throw asRefusal(error, from.limits);
  }
}

async function jsonLines({
  file,
  reading,
  compiled,
  limits,
  chunkSize,
  quota,
}: FileToRead): Promise<UploadRows> {
  const body = new BodyIntake(
    Readable.from(file.pieces(), { objectMode: false }),
    'identity',
    limits,
    chunkSize,
    compiled,
    { hashed: false, reader: new JsonLinesReader(limits.maxLineBytes), quota },
  );
  await body.collectFirst();
  return {
    source: { kind: 'body', body },
    findings: ({ errorGroups }) => ({
      understood: understoodJsonLines(reading),
      columns: null,
      errorGroups: errorGroups.all(),
      reading,
    }),
    storing: (transaction) => body.storing(transaction),
  };
}

function tableRows(
  { reading, compiled, limits, chunkSize, progress }: FileToRead,
  plan: TablePlan,
  survey: TableSource,
  source: TableSource,
): UploadRows {
  // The rows of a workbook end with their last cell.
  const applied: Reading = survey.facts.format === 'csv' ? reading : { ...reading, shortRows: 'fill' };
  const rows = new TableRows(plan, applied);
  const body = new TableIntake(source, rows, compiled, limits, chunkSize, progress);
  return {
    source: { kind: 'body', body },
    findings: ({ errorGroups }) => ({
      ...rows.counts,
      understood: understoodTable(survey.facts, plan, reading),
      columns: findColumns(plan, compiled.columns),
      errorGroups: errorGroups.all(),
      reading,
      warnings: [...plan.warnings, ...errorsInText(rows.counts.errorsInText)],
    }),
    storing: async (transaction) => {
      try {
        return await transaction();
      } catch (error) {
        throw asRefusal(error, limits);
      }
    },
  };
}

/** Compares the columns of a file with those of a row. */
function findColumns({ columns, unknown }: TablePlan, fields: readonly RowColumn[]): ColumnFindings {
  const targets = new Set(columns.map(({ target }) => target));
  // A name in use is not suggested again, because the file would then have it twice.
  const free = [...fields, ...ALWAYS_KNOWN].map(({ name }) => name).filter((name) => !targets.has(name));
  return {
    unknown: unknown.map((header) => ({ header, nearest: nearestName(header, free) ?? null })),
    missing: fields.filter(({ name, required }) => required && !targets.has(name)).map(({ name }) => name),
  };
}

function errorsInText(count: number): ReadingWarning[] {
  if (count === 0) return [];
  const cells = count === 1 ? '1 cell of text has' : `${count} cells of text have`;
  return [{ code: 'spreadsheet_errors', message: `${cells} an error value of a spreadsheet, such as #N/A.` }];
}
