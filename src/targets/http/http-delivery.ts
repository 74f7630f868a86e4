import { setTimeout as delay } from 'node:timers/promises';
import { DeliveryFault } from '../../delivery/message.js';
import { endsWithin } from '../../delivery/message-sender.js';
import type { ExchangeProgress, ReceivedAnswer, WebhookClient } from '../../delivery/webhook-client.js';
import { errorMessage } from '../../platform/errors.js';
import type { SharedPace, SharedSlots } from '../../platform/shared-limits.js';
import {
  type CompiledTarget,
  type DeliveredOutcome,
  type DeliveryContext,
  type ImportRecord,
  type RecordError,
  TargetUnavailableError,
} from '../../records/target.js';
import type { HttpConfiguration } from './http-configuration.js';
import type { Receiver } from './receiver.js';

export interface HttpTargetTimes {
  /** The wait after the first failed attempt; it doubles with each further one. */
  backOffMs: number;
  longestBackOffMs: number;
  /** A longer `Retry-After` is cut to this. */
  longestWaitMs: number;
}

/** A reference keeps this much of an answer, an error this much. */
const REFERENCE_LENGTH = 500;
const ERROR_LENGTH = 1_000;
const ANSWER_BYTES = 8 * 1024;
/** An array of outcomes has about this many bytes for each record. */
const ANSWER_BYTES_OF_RECORD = 2 * 1024;
/** The pause between two looks whether a slot is free that other processes hold. */
const SLOT_PAUSE_MS = { least: 10, most: 100 };
/** The pause between two looks whether the receiver has answered others. */
const WITNESS_PAUSE_MS = 50;

export interface CompiledHttp extends CompiledTarget {
  readonly configuration: HttpConfiguration;
}

/** Records that are sent in one request. */
interface Parcel {
  lines: readonly number[];
  key: string;
  body: string;
  attempts: number;
  dueInMs: number;
  /** Whether the receiver answered others after an attempt of this parcel had failed. */
  isSuspect: boolean;
}

/** Why an attempt did not settle its records. */
interface FailedAttempt {
  kind: 'again' | 'unreached' | 'refused';
  message: string;
  answer: ReceivedAnswer | null;
  waitMs: number;
}

type Attempt = { kind: 'answered'; answer: ReceivedAnswer; sentAt: number } | FailedAttempt;

/** Delivers the records of one chunk. */
export class HttpDelivery {
  private readonly configuration: HttpConfiguration;
  private readonly ending = new AbortController();
  private fault: Error | undefined;

  constructor(
    private readonly client: WebhookClient,
    private readonly slots: SharedSlots,
    private readonly pace: SharedPace,
    private readonly times: HttpTargetTimes,
    private readonly receiver: Receiver,
    private readonly context: DeliveryContext<CompiledHttp>,
  ) {
    this.configuration = context.compiled.configuration;
    const { stop } = context;
    if (stop.aborted) this.ending.abort();
    else stop.addEventListener('abort', () => this.ending.abort(), { once: true });
  }

  throwFault(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  /** Sends the parcel until it has its outcome, or the delivery ends. The first fault ends it; see `throwFault`. */
  async deliver(parcel: Parcel): Promise<void> {
    try {
      await this.receiver.expecting(() => this.settle(parcel));
    } catch (error) {
      this.end(error);
    }
  }

  private async settle(parcel: Parcel): Promise<void> {
    const { receiver } = this;
    const { maxAttempts } = this.configuration;
    let firstFailedAt = Infinity;
    let failedAt: number | undefined;
    if (parcel.dueInMs > 0) await this.wait(parcel.dueInMs);
    while (!this.ending.signal.aborted) {
      const result = await this.inTurn(() => this.attempt(parcel));
      if (result === null) return;
      parcel.attempts += 1;
      if (result.kind === 'answered') {
        receiver.noteAnswer(result.sentAt);
        return this.context.save(this.outcomesOfAnswer(parcel, result.answer));
      }
      const formerlyFailedAt = failedAt;
      failedAt = performance.now();
      firstFailedAt = Math.min(firstFailedAt, failedAt);
      parcel.isSuspect ||= receiver.hasTaken(firstFailedAt);
      receiver.noteFailure(parcel);
      const isUnknown = this.mustNotRepeat(result);
      if (isUnknown) await this.context.save(unknownOutcomes(parcel, result));
      this.endIfUnavailable(result);
      if (isUnknown) return;
      const { attempts, isSuspect } = parcel;
      const dueInMs = this.backOff(attempts, result.waitMs);
      await this.context.postpone(parcel.lines, { attempts, dueInMs, isSuspect });
      if (attempts < maxAttempts) {
        await this.wait(dueInMs);
        continue;
      }
      const mayFail = result.kind !== 'unreached';
      if (mayFail && (await this.isAtFault(parcel, formerlyFailedAt ?? failedAt)))
        return this.context.save(failedOutcomes(parcel, result));
      if (!this.ending.signal.aborted) {
        receiver.noteOutage();
        throw unavailable(result);
      }
    }
  }

  /**
   * Whether a parcel that has used up its attempts is at fault, and not the receiver. It is if the receiver took others
   * since the attempt before the last. If none is left that could show that, the past decides: the receiver took others
   * while each of those that are left failed.
   */
  private async isAtFault(parcel: Parcel, since: number): Promise<boolean> {
    const { receiver } = this;
    const { signal } = this.ending;
    await receiver.exhausted(parcel, async () => {
      while (!receiver.hasTaken(since) && receiver.mayTakeOthers && !signal.aborted)
        await this.wait(WITNESS_PAUSE_MS);
    });
    if (signal.aborted || receiver.isUnavailable) return false;
    return receiver.hasTaken(since) || (parcel.isSuspect && !receiver.hasFailedInnocents);
  }

  private end(fault: unknown): void {
    this.fault ??= fault instanceof Error ? fault : new Error(String(fault));
    this.ending.abort();
  }

  /** `null` if the delivery ended before it was the turn of this request. */
  private async inTurn(send: () => Promise<Attempt>): Promise<Attempt | null> {
    const { gate } = this.receiver;
    const { concurrency, ratePerSecond } = this.configuration;
    const source = String(this.context.importProcessId);
    if (!(await gate.enter({ gone: this.ending.signal }))) return null;
    try {
      const giveBack = await this.slot(source, concurrency);
      if (giveBack === null) return null;
      try {
        if (ratePerSecond !== null) await this.wait(await this.pace.reserve(source, ratePerSecond));
        return this.ending.signal.aborted ? null : await send();
      } finally {
        giveBack();
      }
    } finally {
      gate.leave();
    }
  }

  private async slot(source: string, concurrency: number): Promise<(() => void) | null> {
    for (let pauseMs = SLOT_PAUSE_MS.least; !this.ending.signal.aborted;) {
      const giveBack = await this.slots.take(source, concurrency);
      if (giveBack !== null) return giveBack;
      await this.wait(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(SLOT_PAUSE_MS.most, pauseMs * 2);
    }
    return null;
  }

  /** Ends early when the delivery ends. */
  private async wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.ending.signal }).catch(() => undefined);
  }

  private async attempt({ lines, key, body }: Parcel): Promise<Attempt> {
    const { url, secrets, timeoutMs, idempotent, batchSize } = this.configuration;
    const progress: ExchangeProgress = { isConnected: false, answer: null };
    const headers = {
      'Idempotency-Key': key,
      'X-Import-Batch': String(this.context.batchId),
      'X-Import-Line': String(lines[0]),
    };
    const webhook = { url, id: key, body, secrets, headers, needsNewConnection: !idempotent };
    const mostBytes = batchSize === 1 ? ANSWER_BYTES : ANSWER_BYTES + lines.length * ANSWER_BYTES_OF_RECORD;
    if (!idempotent) await this.context.begin(lines);
    const sentAt = performance.now();
    let answer: ReceivedAnswer;
    try {
      answer = await endsWithin(timeoutMs, this.context.cut, (ends) =>
        this.client.exchange(webhook, ends, progress, mostBytes),
      );
    } catch (error) {
      if (progress.answer === null) {
        const isRefused = error instanceof DeliveryFault && error.isPermanent;
        const kind = isRefused ? 'refused' : progress.isConnected ? 'again' : 'unreached';
        return { kind, message: errorMessage(error), answer: null, waitMs: 0 };
      }
      answer = progress.answer;
    }
    const message = `the receiver answered ${answer.status}`;
    const waitMs = Math.min(answer.retryAfterMs ?? 0, this.times.longestWaitMs);
    if (isTemporary(answer.status)) return { kind: 'again', message, answer, waitMs };
    if (batchSize > 1 && isSuccess(answer) && !answer.isComplete && answer.body.trimStart().startsWith('['))
      return { kind: 'again', message: 'the answer was cut off', answer: null, waitMs };
    return { kind: 'answered', answer, sentAt };
  }

  private outcomesOfAnswer({ lines, attempts }: Parcel, answer: ReceivedAnswer): DeliveredOutcome[] {
    if (isSuccess(answer)) return accepted(lines, answer, this.configuration.batchSize > 1, attempts);
    return rejected(lines, attempts, { code: 'target_refused', message: refusal(answer) });
  }

  /** Whether the receiver may have the records, and would not recognize them if they were sent again. */
  private mustNotRepeat({ kind, answer }: FailedAttempt): boolean {
    const wasDeclined = answer?.status === 425 || answer?.status === 429;
    return !this.configuration.idempotent && kind === 'again' && !wasDeclined;
  }

  /** @throws TargetUnavailableError if the failures are not those of single records */
  private endIfUnavailable(result: FailedAttempt): void {
    const isLasting = this.receiver.isUnavailable;
    if (this.context.isProbe || isLasting || result.kind === 'refused') throw unavailable(result);
  }

  private backOff(attempts: number, waitMs: number): number {
    const { backOffMs, longestBackOffMs } = this.times;
    const wait = Math.min(longestBackOffMs, backOffMs * 2 ** (attempts - 1));
    return Math.max(waitMs, wait * (0.5 + Math.random()));
  }
}

/** The same records are always sent together: those of an array get their outcomes in one write. */
export function parcelsOf(
  records: readonly ImportRecord[],
  { batchId, compiled, states }: DeliveryContext<CompiledHttp>,
  installation: string,
): Parcel[] {
  const { batchSize } = compiled.configuration;
  const parcels: Parcel[] = [];
  for (let start = 0; start < records.length; start += batchSize) {
    const part = records.slice(start, start + batchSize);
    const [first, last] = [part[0]?.line ?? 0, part.at(-1)?.line ?? 0];
    const { attempts = 0, dueInMs = 0, isSuspect = false } = states.get(first) ?? {};
    parcels.push({
      lines: part.map(({ line }) => line),
      key: [installation, batchId, first, ...(batchSize > 1 ? [last] : [])].join('-'),
      body: batchSize > 1 ? `[${part.map(({ payload }) => payload).join(',')}]` : (part[0]?.payload ?? ''),
      attempts,
      dueInMs,
      isSuspect,
    });
  }
  return parcels;
}

function causeOf({ message, answer }: FailedAttempt): string {
  return answer === null ? message : refusal(answer);
}

function unavailable(result: FailedAttempt): TargetUnavailableError {
  return new TargetUnavailableError(`The target does not take records at present: ${causeOf(result)}`);
}

function unknownOutcomes({ lines, attempts }: Parcel, result: FailedAttempt): DeliveredOutcome[] {
  const message = `The record was sent once, and is not sent again: ${causeOf(result)}. Whether the receiver has it is not known.`;
  const error = { code: 'outcome_unknown', message };
  return lines.map((line) => ({
    ...{ line, status: 'unknown', operation: null, reference: null, error, attempts },
  }));
}

function failedOutcomes({ lines, attempts }: Parcel, result: FailedAttempt): DeliveredOutcome[] {
  const message = `${attempts} attempts failed; the last one: ${causeOf(result)}`;
  return rejected(lines, attempts, { code: 'target_failed', message });
}

function rejected(lines: readonly number[], attempts: number, error: RecordError): DeliveredOutcome[] {
  return lines.map((line) => ({
    ...{ line, status: 'failed', operation: 'rejected', reference: null, error, attempts },
  }));
}

function isTemporary(status: number): boolean {
  return status < 200 || status === 408 || status === 425 || status === 429 || status >= 500;
}

function isSuccess({ status }: ReceivedAnswer): boolean {
  return status >= 200 && status < 300;
}

function refusal({ status, body }: ReceivedAnswer): string {
  const text = oneLineOf(body, ERROR_LENGTH);
  const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return `The receiver answered ${status}${redirect}${text === '' ? '' : `: ${text}`}`;
}

function oneLineOf(body: string, length: number): string {
  return body.replace(/\s+/g, ' ').trim().slice(0, length);
}

function accepted(
  lines: readonly number[],
  { status, body }: ReceivedAnswer,
  isArray: boolean,
  attempts: number,
): DeliveredOutcome[] {
  const parsed = parsedBody(body);
  if (isArray && Array.isArray(parsed) && parsed.length === lines.length) {
    return lines.map((line, place) => ({ ...outcomeOfItem(line, parsed[place]), attempts }));
  }
  const reference = referenceOf(parsed) ?? (oneLineOf(body, REFERENCE_LENGTH) || null);
  return lines.map((line) => ({
    ...{ line, status: 'succeeded', operation: status === 201 ? 'created' : null, attempts },
    reference: isArray ? null : reference,
  }));
}

function parsedBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function referenceOf(answer: unknown): string | null {
  if (typeof answer !== 'object' || answer === null || !('reference' in answer)) return null;
  const { reference } = answer;
  if (typeof reference === 'string') return reference.slice(0, REFERENCE_LENGTH);
  return typeof reference === 'number' ? String(reference) : null;
}

function outcomeOfItem(line: number, item: unknown): Omit<DeliveredOutcome, 'attempts'> & DeliveredOutcome;
function outcomeOfItem(line: number, item: unknown): object {
  const { status, error } = (typeof item === 'object' && item !== null ? item : {}) as Record<
    string,
    unknown
  >;
  const reference = referenceOf(item);
  const code = Number(status);
  if (status === 'succeeded' || (code >= 200 && code < 300)) {
    return { line, status: 'succeeded', operation: code === 201 ? 'created' : null, reference };
  }
  const text = typeof error === 'string' ? error : error === undefined ? '' : JSON.stringify(error);
  const message = `The receiver answered ${String(status)} for this record: ${oneLineOf(text, ERROR_LENGTH)}`;
  return {
    ...{ line, status: 'failed', operation: 'rejected', reference },
    error: { code: 'target_refused', message: message.replace(/: $/, '') },
  };
}
