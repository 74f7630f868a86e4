/*
 * What the HTTP API answers, as a client sees it. The client imports nothing from the service, so that it also runs in a
 * browser; `client-types.spec.ts` ensures that these types and those of the service agree.
 */

export type ClientBatchStatus =
  | 'receiving'
  | 'awaiting_confirmation'
  | 'queued'
  | 'in_progress'
  | 'paused'
  | 'canceling'
  | 'canceled'
  | 'completed'
  | 'completed_with_errors'
  | 'failed'
  | 'validated';

export type ClientRecordStatus =
  'pending' | 'invalid' | 'processing' | 'succeeded' | 'failed' | 'skipped' | 'canceled' | 'unknown';

export type ClientRecordCounts = Record<'total' | ClientRecordStatus, number>;

/** The answer to CreateBatch. */
export interface AcceptedBatch {
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: number;
  /** The page that shows the batch in the browser. */
  resultsUrl: string;
  status: ClientBatchStatus;
  recordCounts: ClientRecordCounts;
  /** Paths of the batch and of the actions allowed now. */
  links: Record<'self' | 'records' | 'results', string> & Partial<Record<string, string>>;
}

interface ClientErrorGroup {
  code: string;
  pointer: string | null;
  sampleMessage: string;
  sampleLine: number;
  count: number;
}

/** The facts that a person reviews before confirming an upload. */
interface ClientUploadSummary {
  valid: number;
  invalid: number;
  blankRows: number;
  operations: Record<'create' | 'update' | 'unchanged' | 'skip' | 'reject', number> | null;
  columns: { unknown: { header: string; nearest: string | null }[]; missing: string[] } | null;
  errorGroups: ClientErrorGroup[];
}

export interface ClientBatch extends AcceptedBatch {
  fileName: string;
  importProcessId: number;
  importProcessName: string;
  creationPath: string;
  operations: { created: number; updated: number; unchanged: number };
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  expiredAt: string | null;
  progress: { processed: number; total: number; ratePerSecond: number; etaSeconds: number | null };
  retryOf: number | null;
  createdBy: string;
  metadata: Record<string, string>;
  failureReason: string | null;
  pauseReason: string | null;
  /** Of uploads; `null` while the file is read again. */
  summary: ClientUploadSummary | null;
}

interface ClientRecordError {
  code: string;
  message: string;
  pointer: string | null;
}

export interface ClientRecord {
  line: number;
  status: ClientRecordStatus;
  operation: string | null;
  reference: string | null;
  attempts: number;
  error: ClientRecordError | null;
  errors: ClientRecordError[];
  record: Record<string, unknown>;
}

/** A record in a download of results. */
export type ClientResult = Omit<ClientRecord, 'attempts' | 'errors'>;

/** What one record would become. */
export interface ClientPreviewItem {
  line: number;
  operation: string;
  reference: string | null;
  changes: { field: string; before: unknown; after: unknown }[];
  error: { code: string; message: string } | null;
}

type ClientProgress = Pick<
  ClientBatch,
  'WORKFLOW_IMPORT_QUEUE_BATCH_ID' | 'status' | 'recordCounts' | 'operations' | 'progress'
>;

/** A change of a batch, from its stream of events. */
export type ClientEvent =
  { type: 'progress'; batch: ClientProgress } | { type: 'status'; batch: ClientBatch };

export interface ClientImportProcess {
  id: number;
  /** Missing in answers of services that know import processes only by id and name. */
  key?: string;
  name: string;
  description: string;
  status: 'active' | 'disabled';
}

export interface ClientApiKey {
  id: number;
  name: string;
  permissions: string[];
  importProcessIds: number[] | null;
  expiresAt: string | null;
  lastUsedAt: string | null;
}

interface ProblemItem {
  line?: number;
  column?: number;
  pointer?: string;
  parameter?: string;
  code: string;
  message: string;
}

/** Problem details (RFC 9457), which every refusal has as its body. */
export interface ClientProblem {
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: ProblemItem[];
  errorCount?: number;
  limit?: number;
  errorId?: string;
}

const ENDS: readonly ClientBatchStatus[] = [
  'completed',
  'completed_with_errors',
  'failed',
  'canceled',
  'validated',
];

/** Whether a batch with this status never changes again. */
export function batchHasEnded(status: ClientBatchStatus): boolean {
  return ENDS.includes(status);
}
