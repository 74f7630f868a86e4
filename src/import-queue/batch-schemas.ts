import {
  type BatchLinks,
  type BatchOrigin,
  type BatchProgress,
  type BatchResource,
  type CreationAnswer,
  ORIGIN_KINDS,
  type UnderstoodBatch,
  type UploadSummary,
  type UploadWarning,
} from '../batches/batch-resource.js';
import {
  BATCH_ACTIONS,
  BATCH_STATUSES,
  PAUSE_REASONS,
  PRIORITIES,
  type StoredControl,
  WAITING_REASONS,
  type WaitingFor,
} from '../batches/batch-state.js';
import type { ColumnFindings } from '../batches/entities.js';
import {
  type ChangeCounts,
  PREVIEW_OPERATIONS,
  PREVIEW_RESULTS,
  type PreviewCounts,
  type PreviewedRecord,
  type PreviewProgress,
} from '../batches/previews.sql.js';
import type { ErrorCause } from '../batches/record-pages.js';
import {
  APOSTROPHES,
  BOOLEAN_FORMS,
  DATE_ORDERS,
  DECIMAL_MARKS,
  EMPTY_CELLS,
  SHORT_ROWS,
  TRIMS,
} from '../formats/reading.js';
import {
  ANY_OBJECT,
  arrayOf,
  choice,
  INTEGER,
  objectOf,
  orNull,
  pageSchema,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
  YES_OR_NO,
} from '../platform/http/answer-schemas.js';
import { RECORD_STATUSES, type RecordCounts } from '../records/record-status.js';
import type { ErrorTallyGroup } from '../records/rows.js';
import type { RecordError } from '../records/target.js';
import type { RecordResource } from './result-download.js';
import { type PreviewedUndoRecord, type SentMessage, UNDO_RESULTS } from './undo.service.js';

const COUNTED = says('Never negative.', { type: 'integer', minimum: 0 });
const counted = <Name extends string>(...names: readonly Name[]) =>
  Object.fromEntries(names.map((name) => [name, COUNTED])) as Record<Name, Schema>;

const recordCounts = says(
  'At every moment, total is the sum of the other counts.',
  objectOf<RecordCounts>(counted('total', ...RECORD_STATUSES)),
);

const links = says(
  'Paths. Only the actions that are allowed now.',
  objectOf<BatchLinks>(
    {
      self: TEXT,
      records: TEXT,
      results: TEXT,
      ...(Object.fromEntries(BATCH_ACTIONS.map((action) => [action, TEXT])) as Record<
        (typeof BATCH_ACTIONS)[number],
        Schema
      >),
    },
    ...BATCH_ACTIONS,
  ),
);

const progress = objectOf<BatchProgress>({
  processed: says('Records that have an outcome, invalid ones included; reaches total.', INTEGER),
  total: INTEGER,
  ratePerSecond: { type: 'number' },
  etaSeconds: orNull(INTEGER),
});

const understood = objectOf<UnderstoodBatch>({
  format: choice('csv', 'jsonl', 'xlsx', 'ods'),
  encoding: orNull(TEXT),
  delimiter: orNull(TEXT),
  sheet: orNull(TEXT),
  sheets: says('The names of all sheets of a workbook.', orNull(arrayOf(TEXT))),
  headerRow: says('The row that names the columns, or "none".', {
    oneOf: [INTEGER, choice('none'), { type: 'null' }],
  }),
  trim: choice(...TRIMS),
  emptyCells: choice(...EMPTY_CELLS),
  shortRows: choice(...SHORT_ROWS),
  dateOrder: says('Null if nothing in the file decides.', orNull(choice(...DATE_ORDERS))),
  decimalMark: says('Null if nothing in the file decides.', orNull(choice(...DECIMAL_MARKS))),
  timeZone: says('Of times without an offset: that of the import process.', TEXT),
  booleans: choice(...BOOLEAN_FORMS),
  apostrophes: choice(...APOSTROPHES),
  mapping: says('What was decided about columns, or the name of the saved mapping.', {
    oneOf: [ANY_OBJECT, TEXT],
  }),
  savedMapping: says('The name of the saved mapping that applied.', orNull(TEXT)),
  constants: says('Values of fields that the file does not have, by field.', ANY_OBJECT),
  columns: orNull(
    arrayOf(
      objectOf<{ header: string; target: string | null; recipe?: object }>(
        { header: TEXT, target: orNull(TEXT), recipe: says('What becomes of its values.', ANY_OBJECT) },
        'recipe',
      ),
    ),
  ),
});

const columns = objectOf<ColumnFindings>({
  unknown: arrayOf(objectOf<ColumnFindings['unknown'][number]>({ header: TEXT, nearest: orNull(TEXT) })),
  missing: arrayOf(TEXT),
});

const summary = objectOf<UploadSummary>({
  valid: INTEGER,
  invalid: INTEGER,
  operations: says(
    'What the valid records would turn into; null while unknown, or if there is no preview.',
    orNull(objectOf<PreviewCounts>(counted(...PREVIEW_OPERATIONS))),
  ),
  previewProgress: says(
    'How far the preview is that follows the answer for a large file; null unless it is being made.',
    orNull(objectOf<PreviewProgress>({ processed: INTEGER, total: INTEGER })),
  ),
  columns: orNull(columns),
  blankRows: says('Rows without any value, which are not records.', INTEGER),
  shortRows: says('Rows with fewer cells than the header; shortRows=fill fills them up.', INTEGER),
  emptyCells: says(
    'Empty cells that leave values as they are; emptyCells=clear would clear those values.',
    INTEGER,
  ),
  apostrophes: says('Apostrophes that were removed before text that looks like a formula.', INTEGER),
  keptSpaces: says('Texts whose white space at the ends was kept.', INTEGER),
  fieldChanges: says(
    'The updates that change a field, most frequent first; null without a preview.',
    orNull(arrayOf(objectOf<ChangeCounts['fieldChanges'][number]>({ field: TEXT, count: INTEGER }))),
  ),
  cleared: says(
    'Stored values that would be cleared, and the records that clear them.',
    orNull(objectOf<ChangeCounts['cleared']>({ values: INTEGER, rows: INTEGER })),
  ),
  sameThing: says(
    'The first things that several records are about.',
    orNull(
      arrayOf(objectOf<ChangeCounts['sameThing'][number]>({ identifier: TEXT, lines: arrayOf(INTEGER) })),
    ),
  ),
  warnings: arrayOf(
    objectOf<UploadWarning>(
      { code: TEXT, message: TEXT, columns: arrayOf(TEXT), samples: arrayOf(TEXT) },
      'columns',
      'samples',
    ),
  ),
  errorGroups: arrayOf(
    objectOf<ErrorTallyGroup>({
      code: TEXT,
      pointer: orNull(TEXT),
      count: INTEGER,
      sampleLine: INTEGER,
      sampleMessage: TEXT,
    }),
  ),
});

const creation = {
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: INTEGER,
  resultsUrl: says('The page for users.', TEXT),
  status: choice(...BATCH_STATUSES),
  recordCounts,
  links,
};

const recordError = objectOf<Required<RecordError>>({
  code: TEXT,
  message: TEXT,
  pointer: says('RFC 6901, into the record.', orNull(TEXT)),
});

const fieldChanges = arrayOf(
  objectOf<PreviewedRecord['changes'][number]>({ field: TEXT, before: {}, after: {} }),
);

/** The response schemas of the routes for batches. */
export const BATCH_SCHEMAS: Readonly<Record<string, Schema>> = {
  CreatedBatch: objectOf<CreationAnswer>(creation),
  Batch: objectOf<BatchResource>({
    ...creation,
    fileName: TEXT,
    importProcessId: INTEGER,
    importProcessName: TEXT,
    importProcessVersion: INTEGER,
    creationPath: TEXT,
    operations: says(
      'reverted and kept only for an undo.',
      objectOf<BatchResource['operations']>(
        counted('created', 'updated', 'unchanged', 'reverted', 'kept'),
        'reverted',
        'kept',
      ),
    ),
    createdAt: TIME,
    startedAt: orNull(TIME),
    finishedAt: orNull(TIME),
    expiredAt: says('When its retention period ended; its records answer 410 since then.', orNull(TIME)),
    progress,
    retryOf: says('The batch whose failed records this batch retries.', orNull(INTEGER)),
    resendOf: says(
      'The batch whose failed records were fixed, or downloaded and uploaded again, to make this one.',
      orNull(INTEGER),
    ),
    undoOf: says('The batch whose effects this batch reverts.', orNull(INTEGER)),
    replacedBy: says(
      'The next upload of the same file, process and sender, if this one was never confirmed; null in lists.',
      orNull(INTEGER),
    ),
    undoneBy: says(
      'The batch that reverts the effects of this one, unless it was canceled or undone itself.',
      orNull(INTEGER),
    ),
    createdFrom: says(
      'What it was made from; null for batches of CreateBatch.',
      orNull(objectOf<BatchOrigin>({ kind: choice(...ORIGIN_KINDS), batchId: orNull(INTEGER) })),
    ),
    createdBy: TEXT,
    metadata: says('`meta.<name>` of the call.', { type: 'object', additionalProperties: TEXT }),
    failureReason: says('The fault of the whole batch, or the one that paused it.', orNull(TEXT)),
    pauseReason: says('Null unless it is paused.', orNull(choice(...PAUSE_REASONS))),
    waitingFor: says(
      'Why it is not being processed; null while it runs and after its end.',
      orNull(
        objectOf<WaitingFor>({
          reason: choice(...WAITING_REASONS),
          batchesAhead: says('Older batches that run or wait; null in lists.', orNull(INTEGER)),
        }),
      ),
    ),
    control: says(
      'How it is to be run; null if simply as soon as possible.',
      orNull(
        objectOf<StoredControl>({
          priority: choice(...PRIORITIES),
          maxFailed: orNull(INTEGER),
          maxFailedPercent: orNull({ type: 'number' }),
          notBefore: orNull(TIME),
          expiresAt: orNull(TIME),
          canary: orNull(INTEGER),
          muteBehaviors: YES_OR_NO,
        }),
      ),
    ),
    understood: says('Only for an uploaded file, in the answer about one batch.', orNull(understood)),
    summary: says('Only for an uploaded file or a dry run, in the answer about one batch.', orNull(summary)),
  }),
  BatchPage: pageSchema(refTo('Batch')),
  ImportRecord: objectOf<RecordResource>(
    {
      line: says('1-based line of the body.', INTEGER),
      row: says('The row that a spreadsheet shows for it; otherwise the line.', INTEGER),
      originLine: says('Its line in the batch whose results were uploaded.', INTEGER),
      status: choice(...RECORD_STATUSES),
      operation: orNull(choice('created', 'updated', 'unchanged', 'rejected', 'reverted', 'kept')),
      reference: says('What it affected: for a workflow, the id of the instance.', orNull(TEXT)),
      attempts: INTEGER,
      error: orNull(recordError),
      errors: says('All its errors, at most ten; the first is error.', arrayOf(recordError)),
      record: says('The record as it was sent, character by character.', ANY_OBJECT),
    },
    'originLine',
  ),
  RecordPage: pageSchema(refTo('ImportRecord')),
  ErrorGroups: objectOf<{ items: ErrorCause[] }>({
    items: arrayOf(
      objectOf<ErrorCause>({
        code: TEXT,
        pointer: says('RFC 6901, into the record.', orNull(TEXT)),
        message: says('The message of the first such record.', TEXT),
        count: INTEGER,
        sampleLines: says('The first lines, at most five.', arrayOf(INTEGER)),
      }),
    ),
  }),
  PreviewedRecord: objectOf<PreviewedRecord>({
    line: INTEGER,
    row: says('The row that a spreadsheet shows.', INTEGER),
    operation: choice(...PREVIEW_RESULTS),
    changes: says('Each value that it would change; null stands for absent.', fieldChanges),
    reference: says('What it would affect; null if that does not exist yet.', orNull(TEXT)),
    error: says(
      'Why it would be rejected.',
      orNull(objectOf<RecordError>({ code: TEXT, message: TEXT, pointer: TEXT }, 'pointer')),
    ),
  }),
  PreviewPage: pageSchema(refTo('PreviewedRecord')),
  PreviewedUndo: objectOf<PreviewedUndoRecord>({
    line: INTEGER,
    row: says('The row that a spreadsheet shows.', INTEGER),
    operation: choice(...UNDO_RESULTS),
    changes: says('Each value that the undo would change; null stands for absent.', fieldChanges),
    reference: says('For a workflow, the id of the instance.', orNull(TEXT)),
    error: says(
      'Why it would be kept (who changed it and when), or would fail.',
      orNull(objectOf<RecordError>({ code: TEXT, message: TEXT, pointer: TEXT }, 'pointer')),
    ),
    sent: says(
      'Mails and webhooks that the record caused and that were sent; an undo does not take them back.',
      arrayOf(
        objectOf<SentMessage>({
          kind: choice('mail', 'webhook'),
          recipient: says('Of a webhook only the host.', TEXT),
          sentAt: TIME,
        }),
      ),
    ),
  }),
  UndoPreviewPage: pageSchema(refTo('PreviewedUndo')),
};
