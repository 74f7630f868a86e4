import type { BatchStatus, WaitingReason } from './batch-state.js';

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

/** The addresses that get a mail when the batch has ended; an address that was not given is stored as null. */
export function mailAddresses(given: {
  sendSuccessEmailTo?: string | null;
  sendFailureEmailTo?: string | null;
}) {
  return {
    sendSuccessEmailTo: given.sendSuccessEmailTo ?? null,
    sendFailureEmailTo: given.sendFailureEmailTo ?? null,
  };
}

export interface WaitingFor {
  reason: WaitingReason;
  /** Older batches that run or wait; `null` in lists and for batches that do not wait for their turn. */
  batchesAhead: number | null;
}

interface WaitingBatch {
  status: BatchStatus;
  batchesAhead: number | null;
  control: StoredControl | null;
  now: Date;
}

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
  { status, batchesAhead, control, now }: WaitingBatch,
  isQueuePaused: boolean,
): WaitingFor | null {
  if (status === 'paused') return { reason: 'paused', batchesAhead: null };
  const notBefore = control?.notBefore ?? null;
  const startsLater = notBefore !== null && new Date(notBefore) > now;
  if (status === 'queued' && startsLater) return { reason: 'not_before', batchesAhead: null };
  const isOpen = status === 'queued' || status === 'in_progress' || status === 'canceling';
  if (isOpen && isQueuePaused) return { reason: 'queue_paused', batchesAhead: null };
  return status === 'queued' ? { reason: 'turn', batchesAhead } : null;
}
