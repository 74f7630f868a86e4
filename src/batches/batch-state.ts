export const BATCH_STATUSES = [
  'receiving',
  'awaiting_confirmation',
  'queued',
  'in_progress',
  'paused',
  'canceling',
  'canceled',
  'completed',
  'completed_with_errors',
  'failed',
  'validated',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

const ENDS = ['completed', 'completed_with_errors', 'failed'] as const satisfies readonly BatchStatus[];

/**
 * Every status that a batch may change to. A dry run is `validated` as soon as it is stored: none of its records is
 * processed. A queued batch ends without running if all its records are invalid. A paused
 * batch ends if the chunks that ran when it was paused were its last.
 */
const TRANSITIONS: Readonly<Record<BatchStatus, readonly BatchStatus[]>> = {
  receiving: ['awaiting_confirmation', 'queued', 'validated'],
  awaiting_confirmation: ['queued', 'canceled'],
  queued: ['in_progress', 'paused', 'canceling', ...ENDS],
  in_progress: ['paused', 'canceling', ...ENDS],
  paused: ['queued', 'in_progress', 'canceling', ...ENDS],
  canceling: ['canceled'],
  canceled: [],
  completed: [],
  completed_with_errors: [],
  failed: [],
  validated: [],
};

/** Statuses of batches whose end is not written yet. */
export const UNFINISHED = [
  'queued',
  'in_progress',
  'paused',
  'canceling',
] as const satisfies readonly BatchStatus[];
export type UnfinishedStatus = (typeof UNFINISHED)[number];

/** Statuses in which chunks are queued and processed. Chunks of a `canceling` batch run to cancel their records. */
export const RUNNING = ['queued', 'in_progress', 'canceling'] as const satisfies readonly BatchStatus[];

/** Statuses in which a preview can be made: no record has been processed, so that nothing has changed. */
const PREVIEWABLE = ['awaiting_confirmation', 'validated'] as const satisfies readonly BatchStatus[];

export function isPreviewable(status: BatchStatus): boolean {
  return (PREVIEWABLE as readonly BatchStatus[]).includes(status);
}

/** Statuses in which records will still be processed, now or after a pause. */
export const PROCESSABLE = ['queued', 'in_progress', 'paused'] as const satisfies readonly BatchStatus[];

export function canBecome(from: BatchStatus, to: BatchStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** @throws Error if the state machine does not have this transition: requesting it is a bug in our code */
export function assertCanBecome(from: BatchStatus, to: BatchStatus): void {
  if (!canBecome(from, to)) throw new Error(`a batch that is ${from} cannot become ${to}`);
}

/** Whether the batch has ended. An ended batch never changes again. */
export function isTerminal(status: BatchStatus): boolean {
  return TRANSITIONS[status].length === 0;
}

export function isUnfinished(status: BatchStatus): status is UnfinishedStatus {
  return (UNFINISHED as readonly BatchStatus[]).includes(status);
}

/** The events that a webhook can report. */
export const BATCH_EVENTS = [
  'batch.received',
  'batch.awaiting_confirmation',
  'batch.paused',
  'batch.completed',
  'batch.completed_with_errors',
  'batch.failed',
  'batch.canceled',
] as const;
export type BatchEvent = (typeof BATCH_EVENTS)[number];

/** The event of a batch that has got this status; `undefined` if no webhook reports the status. */
export function eventOf(status: BatchStatus): BatchEvent | undefined {
  return BATCH_EVENTS.find((event) => event === `batch.${status}`);
}

/** Why a batch is paused. */
export const PAUSE_REASONS = [
  'manual',
  'canary',
  'error_budget',
  'environment_fault',
  'target_unavailable',
] as const;
export type PauseReason = (typeof PAUSE_REASONS)[number];

/** Why a batch is not being processed. */
export const WAITING_REASONS = [
  'not_before',
  'turn',
  'concurrency',
  'queue_paused',
  'paused',
  'schema',
] as const;
type WaitingReason = (typeof WAITING_REASONS)[number];

export const BATCH_ACTIONS = [
  'cancel',
  'pause',
  'resume',
  'retryFailed',
  'resolve',
  'undo',
  'confirm',
  'abandon',
  'delete',
] as const;
export type BatchAction = (typeof BATCH_ACTIONS)[number];

const ACTIONS: Readonly<Record<BatchStatus, readonly BatchAction[]>> = {
  receiving: [],
  awaiting_confirmation: ['confirm', 'abandon'],
  queued: ['cancel', 'pause'],
  in_progress: ['cancel', 'pause'],
  paused: ['cancel', 'resume'],
  canceling: [],
  canceled: ['retryFailed', 'resolve', 'undo', 'delete'],
  completed: ['undo', 'delete'],
  completed_with_errors: ['retryFailed', 'resolve', 'undo', 'delete'],
  failed: ['retryFailed', 'resolve', 'undo', 'delete'],
  validated: ['delete'],
};

/**
 * The actions that a batch in this status allows. `retryFailed` also needs a record that failed, `resolve` one whose
 * outcome is unknown, and `undo` one that changed something, which the status does not show: callers that offer them check the counts as well.
 */
export function allowedActions(status: BatchStatus): readonly BatchAction[] {
  return ACTIONS[status];
}

export function isAllowed(action: BatchAction, status: BatchStatus): boolean {
  return ACTIONS[status].includes(action);
}

/** The actions that change the status. `retryFailed` and `undo` create another batch; the others leave the status. */
export type ChangingAction = Exclude<BatchAction, 'retryFailed' | 'resolve' | 'undo' | 'delete'>;

/**
 * The status after the action, or `null` if the action is not allowed. A batch that was paused before its first chunk
 * ran goes back to `queued`.
 */
export function statusAfter(
  action: ChangingAction,
  batch: { status: BatchStatus; startedAt: Date | null },
): BatchStatus | null {
  if (!isAllowed(action, batch.status)) return null;
  switch (action) {
    case 'cancel':
      return 'canceling';
    case 'pause':
      return 'paused';
    case 'resume':
      return batch.startedAt === null ? 'queued' : 'in_progress';
    case 'confirm':
      return 'queued';
    case 'abandon':
      return 'canceled';
  }
}

/** The failure reason of a batch whose `expiresAt` passed; its remaining records were canceled. */
export const EXPIRED = 'expired';

/** The facts that decide how a batch ended. */
export interface BatchEnd {
  /** A fault of the whole batch; `null` if there was none. */
  failureReason: string | null;
  invalid: number;
  failed: number;
  canceled: number;
  unknown: number;
}

/** The terminal status of a batch that has no open chunk left. */
export function finalStatus(status: UnfinishedStatus, end: BatchEnd): BatchStatus {
  if (status === 'canceling') return 'canceled';
  if (end.failureReason !== null && end.failureReason !== EXPIRED) return 'failed';
  const everyRecordSucceeded = end.invalid + end.failed + end.canceled + end.unknown === 0;
  return everyRecordSucceeded ? 'completed' : 'completed_with_errors';
}

export const PRIORITIES = ['low', 'normal', 'high'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What an import process says about the runs of its batches; a call may say otherwise. */
export interface ProcessControl {
  priority: Priority;
  /** The batch pauses when more records than this have failed or are invalid. `null`: no limit. */
  maxFailed: number | null;
  /** The same, in percent of all records of the batch. */
  maxFailedPercent: number | null;
}

/** How a batch is to be run. */
export interface BatchControl extends ProcessControl {
  /** No chunk starts earlier. */
  notBefore: Date | null;
  /** Records that have no outcome by then are canceled. */
  expiresAt: Date | null;
  /** The batch pauses when this many of its first valid records have been processed. */
  canary: number | null;
  /** Actions send neither mails nor webhooks. */
  muteBehaviors: boolean;
}

/** As a row of JSON, with RFC 3339 times. */
export type StoredControl = Omit<BatchControl, 'notBefore' | 'expiresAt'> &
  Record<'notBefore' | 'expiresAt', string | null>;

export const NO_CONTROL: BatchControl = {
  priority: 'normal',
  maxFailed: null,
  maxFailedPercent: null,
  notBefore: null,
  expiresAt: null,
  canary: null,
  muteBehaviors: false,
};

export const CONTROL_NAMES = Object.keys(NO_CONTROL) as (keyof BatchControl)[];

/** The control of a batch: what the call says, else what the import process says. */
export function controlOf(process: ProcessControl, asked: Partial<BatchControl>): BatchControl {
  const { priority, maxFailed, maxFailedPercent } = process;
  return { ...NO_CONTROL, priority, maxFailed, maxFailedPercent, ...wishesOf(asked) };
}

/** The members that are present; `undefined` stands for an absent one. */
export function wishesOf(asked: Partial<BatchControl>): Partial<BatchControl> {
  const present = CONTROL_NAMES.filter((name) => asked[name] !== undefined).map((name) => [
    name,
    asked[name],
  ]);
  return Object.fromEntries(present) as Partial<BatchControl>;
}

/** The addresses of a parameter, which commas separate. No address contains a comma. */
export function addressesIn(list: string): string[] {
  return list.split(',').map((address) => address.trim());
}

/**
 * The addresses that get a mail when the batch has ended, each once and separated by commas; a parameter that was not
 * given is stored as null.
 */
export function mailAddresses(given: {
  sendSuccessEmailTo?: string | null;
  sendFailureEmailTo?: string | null;
}) {
  const stored = (list: string | null | undefined) =>
    list == null ? null : [...new Set(addressesIn(list))].join(',');
  return {
    sendSuccessEmailTo: stored(given.sendSuccessEmailTo),
    sendFailureEmailTo: stored(given.sendFailureEmailTo),
  };
}

export const RETRY_CREATION_PATH = 'IMPORT_QUEUE_RETRY';

export interface WaitingFor {
  reason: WaitingReason;
  /** Older batches that run or wait; `null` in lists and for batches that do not wait for their turn. */
  batchesAhead: number | null;
}

interface WaitingBatch {
  status: BatchStatus;
  batchesAhead: number | null;
  /** Whether none of its records can be sent, because others of its import process use its `concurrency` up. */
  isLimited: boolean;
  /** Whether workers run, but none of them fits the schema. */
  noWorkerFits: boolean;
  control: StoredControl | null;
  now: Date;
}

/** Of a target that sends records to another system; its configuration may leave them out. */
export const HTTP_TARGET_DEFAULTS = { concurrency: 8, batchSize: 1 } as const;

/** The same with times in UTC. */
export function withUtcTimes({ notBefore, expiresAt, ...control }: StoredControl): StoredControl {
  const utc = (time: string | null) => (time === null ? null : new Date(time).toISOString());
  return { ...control, notBefore: utc(notBefore), expiresAt: utc(expiresAt) };
}

/**
 * Why the batch is not being processed; `null` while it runs and after its end. Batches ahead are counted for a single
 * batch only: in a list, each count would read all older batches.
 */
export function waitingFor(
  { status, batchesAhead, isLimited, noWorkerFits, control, now }: WaitingBatch,
  isQueuePaused: boolean,
): WaitingFor | null {
  if (status === 'paused') return { reason: 'paused', batchesAhead: null };
  const notBefore = control?.notBefore ?? null;
  const startsLater = notBefore !== null && new Date(notBefore) > now;
  if (status === 'queued' && startsLater) return { reason: 'not_before', batchesAhead: null };
  const isOpen = status === 'queued' || status === 'in_progress' || status === 'canceling';
  if (isOpen && isQueuePaused) return { reason: 'queue_paused', batchesAhead: null };
  if (isOpen && noWorkerFits) return { reason: 'schema', batchesAhead: null };
  if (isLimited) return { reason: 'concurrency', batchesAhead: null };
  return status === 'queued' ? { reason: 'turn', batchesAhead } : null;
}
