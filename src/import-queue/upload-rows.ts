import { Readable } from 'node:stream';
import type { BatchSource } from '../batches/batch-maker.js';
import type { ColumnFindings, UploadFindings } from '../batches/entities.js';
import type { RecordCollector } from '../batches/record-collector.js';
import { FieldNames } from '../formats/csv/csv-columns.js';
import { emptyFile } from '../formats/format.errors.js';
import { JsonLinesReader } from '../formats/json/json-lines-reader.js';
import {
  choicesOf,
  mappingFrom,
  mappingThatFits,
  type Reading,
  type ReadingWarning,
  type SavedMapping,
} from '../formats/reading.js';
import type { FileBytes, TableSource } from '../formats/record-reader.js';
import { type ReadRecord, TableRows } from '../formats/table-rows.js';
import { type SavedMappings, surveyTable, type TablePlan } from '../formats/table-survey.js';
import {
  openUpload,
  type UnderstoodFile,
  understoodJsonLines,
  understoodTable,
} from '../formats/upload-reader.js';
import { mappingNotFound } from '../import-processes/import-process.errors.js';
import { keepMapping } from '../import-processes/saved-mappings.service.js';
import type { Sql } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { nearestName } from '../platform/wording.js';
import type { CompiledTarget, RowColumn } from '../records/target.js';
import type { RecordQuota } from './admission.service.js';
import { asRefusal, BodyIntake, type IntakeLimits, TooManyRecordsError } from './intake/body-intake.js';
import { type SentRecords, TableIntake } from './intake/table-intake.js';

/** Columns that every row of a workflow may have. Templates omit them, because few users need them. */
const ALWAYS_KNOWN: readonly RowColumn[] = [':WorkflowActionId', ':WorkflowActionName'].map((name) => ({
  name,
  required: false,
  kind: 'action',
  description: 'The action of the row',
  example: '',
}));

const LONGEST_NAME = 150;

export interface FileToRead {
  file: FileBytes;
  reading: Reading;
  /** The saved mappings of the import process, the one saved last first. */
  saved: readonly SavedMapping[];
  compiled: CompiledTarget;
  limits: IntakeLimits;
  chunkSize: number;
  /** Told the number of records before they are written. */
  quota: RecordQuota;
  /** Told the number of records now and then. */
  progress?: (records: number) => void;
  /** What the records had from which the rows of a download come. */
  sentRecords: SentRecords;
}

/** A file that can be read: its rows, and what its batch keeps about the reading. */
export interface UploadRows {
  source: BatchSource;
  /** Call it after all rows were written. */
  findings: (rows: RecordCollector) => UploadFindings;
  /** The columns of a table, by which later files can be recognized; `null` for JSON Lines. */
  plan: TablePlan | null;
  /** Runs the transaction that writes the rows. */
  storing: <Result>(transaction: () => Promise<Result>) => Promise<Result>;
}

/**
 * Finds out how a file is to be read. Nothing was stored if it is refused.
 * @throws DomainError as CreateBatch does, and for files that cannot be read
 */
export async function prepareRows(from: FileToRead): Promise<UploadRows> {
  try {
    const survey = await surveyed(from);
    if (survey === null) return await jsonLines(from);
    const { plan } = survey;
    if (plan.records === 0) throw emptyFile();
    if (plan.records > from.limits.maxRecords) throw new TooManyRecordsError();
    await from.quota(plan.records);
    return tableRows(from, survey);
  } catch (error) {
    throw asRefusal(error, from.limits);
  }
}

/**
 * The first record of a table, read as an upload of the file would be; `null` if it is JSON Lines or has no record. Its
 * first row is the record if it does not name fields.
 * @throws DomainError as Uploads does
 */
export async function firstRecord(from: SurveyedUpload): Promise<ReadRecord | null> {
  try {
    const survey = await surveyed(from);
    if (survey === null) return null;
    const isHeaderless =
      survey.plan.records === 0 || survey.plan.warnings.some(({ code }) => code === 'header_unclear');
    const read = isHeaderless
      ? await surveyed({ ...from, reading: { ...from.reading, headerRow: 'none' } })
      : survey;
    if (read === null) return null;
    const rows = new TableRows(read.plan, { ...read.plan.reading, shortRows: 'fill' });
    for await (const block of read.open().rows()) {
      for (const row of block) {
        const record = rows.read(row);
        if (record !== null) return record;
      }
    }
    return null;
  } catch (error) {
    throw asRefusal(error, from.limits);
  }
}

type SurveyedUpload = Pick<FileToRead, 'file' | 'reading' | 'saved' | 'compiled' | 'limits'>;

interface SurveyedTable {
  plan: TablePlan;
  facts: TableSource['facts'];
  open: () => TableSource;
}

/**
 * Where a saved mapping fits, its encoding, delimiter, sheet and header row apply, too, unless the file cannot be read
 * with them: a mapping never prevents a valid file from being imported. `null` for JSON Lines.
 */
async function surveyed(from: SurveyedUpload): Promise<SurveyedTable | null> {
  const choose = chooserOf(from);
  const found = await surveyOnce(from, from.reading, choose);
  const saved = found?.plan.saved;
  if (found == null || saved == null) return found;
  const { encoding, delimiter, sheet, headerRow } = saved.reading;
  const { facts } = found;
  const asFound = { ...facts, headerRow: found.plan.headerRow === 0 ? 'none' : found.plan.headerRow };
  const located = Object.entries({ encoding, delimiter, sheet, headerRow }).filter(
    ([name, value]) =>
      value !== undefined &&
      value !== asFound[name as 'encoding'] &&
      !from.reading.chosen.some((chosen) => chosen === name),
  );
  if (located.length === 0) return found;
  try {
    const again = await surveyOnce(from, { ...from.reading, ...Object.fromEntries(located) }, choose);
    if (again?.plan.saved?.name === saved.name && again.plan.records > 0) return again;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
  }
  const warning: ReadingWarning = {
    code: 'mapping_reading_ignored',
    message: `The file does not fit how the saved mapping reads files, so this was not applied: ${located.map(([name]) => name).join(', ')}.`,
  };
  return { ...found, plan: { ...found.plan, warnings: [...found.plan.warnings, warning] } };
}

/** @throws DomainError 404 `mapping_not_found` if the reading names a mapping that does not exist */
function chooserOf({ saved, reading: { savedMapping } }: SurveyedUpload): SavedMappings['choose'] {
  if (savedMapping === false) return () => null;
  if (savedMapping === null) return (headers) => mappingThatFits(saved, headers);
  const named = saved.find(({ name }) => name === savedMapping);
  if (named === undefined) throw mappingNotFound(savedMapping);
  return () => named;
}

async function surveyOnce(
  { file, compiled, limits, saved }: SurveyedUpload,
  reading: Reading,
  choose: SavedMappings['choose'],
): Promise<SurveyedTable | null> {
  const { columns } = compiled;
  const known = columns.length === 0 ? [] : [...columns, ...ALWAYS_KNOWN];
  const fields = new FieldNames(known.map(({ name }) => name));
  const headers = new Set(saved.flatMap((mapping) => Object.keys(mapping.columns)));
  const names = fields.areOpen
    ? fields
    : new FieldNames([...fields.all(), ...Object.keys(reading.mapping), ...headers]);
  const opened = await openUpload(file, { reading, fields: names, maxLineBytes: limits.maxLineBytes });
  if (opened.format === 'jsonl') return null;
  const source = opened.open();
  const plan = await surveyTable(source, {
    ...{ fields, columns: known, reading, saved: { headers, choose } },
    mapping: new Map(Object.entries(reading.mapping)),
  });
  return { plan, facts: source.facts, open: opened.open };
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
    plan: null,
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
  { reading, compiled, limits, chunkSize, progress, sentRecords }: FileToRead,
  { plan, facts, open }: SurveyedTable,
): UploadRows {
  // The rows of a workbook end with their last cell.
  const applied: Reading = facts.format === 'csv' ? plan.reading : { ...plan.reading, shortRows: 'fill' };
  const rows = new TableRows(plan, applied);
  const body = new TableIntake(
    open(),
    rows,
    compiled,
    limits,
    chunkSize,
    progress,
    plan.isOurs ? sentRecords : null,
  );
  return {
    source: { kind: 'body', body },
    plan,
    findings: ({ errorGroups }) => ({
      ...rows.counts,
      understood: understoodTable(facts, plan),
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

/** Keeps what a user decided about the columns of a file, so that later files with these columns need no decision. */
export async function keepDecisions(
  sql: Sql,
  { importProcessId, fileName, readBy }: { importProcessId: number; fileName: string; readBy: string },
  { plan }: UploadRows,
  reading: Reading,
): Promise<void> {
  const { mapping, recipes, constants } = reading;
  const count = [mapping, recipes, constants].flatMap((decided) => Object.keys(decided)).length;
  if (plan === null || count === 0) return;
  const name =
    fileName
      .replace(/\.[^.]{1,5}$/, '')
      .trim()
      .slice(0, LONGEST_NAME) || 'Columns';
  await keepMapping(
    sql,
    importProcessId,
    { mapping: decidedMapping(name, plan, reading), actor: readBy },
    plan.columns.map(({ header }) => header),
  );
}

/**
 * What a user decided about the columns of a file, for later files with these columns. The other choices of the reading
 * concern this file.
 */
function decidedMapping(
  name: string,
  { columns, constants, saved }: TablePlan,
  { mapping }: Reading,
): SavedMapping {
  const isDecided = (header: string) =>
    Object.hasOwn(mapping, header) ? mapping[header] !== header : saved?.columns[header] !== undefined;
  const decided = columns.filter(({ header, recipe }) => recipe !== undefined || isDecided(header));
  return {
    ...{ name, reading: {} },
    columns: mappingFrom(decided, mapping),
    constants: Object.fromEntries(constants),
  };
}

/**
 * How a file was read, for later files: all of its columns, and the choices that its sender made or that came from the
 * mapping that applied.
 */
export function mappingToSave(
  name: string,
  { columns, constants }: UnderstoodFile,
  reading: Reading,
  applied: SavedMapping | null,
): SavedMapping {
  const ignored = Object.entries(applied?.columns ?? {}).flatMap(([header, { field }]) =>
    field === null ? [[header, null] as const] : [],
  );
  return {
    name,
    reading: { ...applied?.reading, ...choicesOf(reading) },
    columns: mappingFrom(columns ?? [], { ...Object.fromEntries(ignored), ...reading.mapping }),
    constants,
  };
}

/** Compares the columns of a file with those of a row. */
function findColumns(
  { columns, unknown, constants }: TablePlan,
  fields: readonly RowColumn[],
): ColumnFindings {
  const targets = new Set([...columns.map(({ target }) => target), ...constants.map(([field]) => field)]);
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
