import { setTimeout as delay } from 'node:timers/promises';
import type { ExchangeProgress, ReceivedAnswer, WebhookClient } from '../../delivery/webhook-client.js';
import type { SharedPace, SharedSlots } from '../../platform/shared-limits.js';
import { type DeliveredOutcome, type DeliveryContext, TargetUnavailableError } from '../../records/target.js';
import { type CompiledHttp, HttpDelivery, parcelsOf } from './http-delivery.js';
import { Receiver } from './receiver.js';

type Answer = (status: number) => Promise<void>;

/** Lets everything follow that follows without time. */
const settled = () => delay(5);

/** A receiver whose requests wait for an answer of the test, by the line of their record. */
class HeldReceiver {
  private readonly requests = new Map<number, Answer>();
  readonly sent: number[] = [];
  private statusOf: (line: number) => number | undefined = () => undefined;

  readonly client = {
    exchange: (webhook: { headers: Record<string, string> }, _: AbortSignal, progress: ExchangeProgress) => {
      const line = Number(webhook.headers['X-Import-Line']);
      this.sent.push(line);
      progress.isConnected = true;
      return new Promise<ReceivedAnswer>((resolve) => {
        const answer: Answer = (status) => {
          this.requests.delete(line);
          resolve((progress.answer = { status, retryAfterMs: undefined, body: '', isComplete: true }));
          return settled();
        };
        this.requests.set(line, answer);
        const status = this.statusOf(line);
        if (status !== undefined) void answer(status);
      });
    },
  } as unknown as WebhookClient;

  /** Answers requests as they come, and those that wait. `undefined` leaves one to the test. */
  answerAll(statusOf: (line: number) => number | undefined): void {
    this.statusOf = statusOf;
    for (const [line, answer] of [...this.requests]) {
      const status = statusOf(line);
      if (status !== undefined) void answer(status);
    }
  }

  /** Answers the request of a line, once it is there. */
  async answer(line: number, status: number): Promise<void> {
    for (let looks = 0; looks < 500 && !this.requests.has(line); looks += 1) await delay(2);
    const answer = this.requests.get(line);
    if (answer === undefined) throw new Error(`no request of line ${line}; there were ${this.sent.join()}`);
    await answer(status);
  }
}

const SLOTS = { take: () => Promise.resolve(() => undefined) } as unknown as SharedSlots;
const PACE = {} as unknown as SharedPace;
const TIMES = { backOffMs: 1, longestBackOffMs: 1, longestWaitMs: 1 };

/** A chunk of records that is being delivered. */
function deliver(held: HeldReceiver, receiver: Receiver, lines: readonly number[], maxAttempts: number) {
  const outcomes = new Map<number, DeliveredOutcome['status']>();
  const { signal } = new AbortController();
  const configuration = {
    ...{ url: 'http://receiver.example.org/', secrets: [], concurrency: receiver.gate.limit },
    ...{ ratePerSecond: null, timeoutMs: 60_000, maxAttempts, batchSize: 1, idempotent: true },
  };
  const context = {
    ...{ batchId: 1, chunkNumber: 1, importProcessId: 1, ordered: false, isProbe: false, states: new Map() },
    ...{ compiled: { configuration }, stop: signal, cut: signal },
    ...{ begin: () => Promise.resolve(), postpone: () => Promise.resolve() },
    save: (saved: readonly DeliveredOutcome[]) => {
      for (const { line, status } of saved) outcomes.set(line, status);
      return Promise.resolve();
    },
  } as unknown as DeliveryContext<CompiledHttp>;
  const delivery = new HttpDelivery(held.client, SLOTS, PACE, TIMES, receiver, context);
  const records = lines.map((line) => ({ line, payload: '{}' }));
  receiver.begin();
  const ended = Promise.all(parcelsOf(records, context, 'here').map((parcel) => delivery.deliver(parcel)))
    .finally(() => receiver.end())
    .then(() => delivery.throwFault());
  ended.catch(() => undefined);
  return { outcomes, ended };
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

describe('a record that the receiver answers with an error each time', () => {
  it('fails after its attempts while the receiver takes others', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(2), [1, 2, 3], 2);
    await held.answer(1, 500);
    await held.answer(2, 204);
    await held.answer(3, 204);
    await held.answer(1, 500);
    await ended;
    expect([...outcomes]).toEqual([
      [2, 'succeeded'],
      [3, 'succeeded'],
      [1, 'failed'],
    ]);
  });

  /** Break it: in `HttpDelivery.isAtFault`, leave `isSuspect` out. */
  it('fails after its attempts though nothing else is left, if the receiver took others since the first one', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(2), [1, 2, 3], 4);
    await held.answer(1, 500);
    await held.answer(2, 204);
    await held.answer(3, 204);
    for (let attempt = 2; attempt <= 4; attempt += 1) await held.answer(1, 500);
    await ended;
    expect(outcomes.get(1)).toBe('failed');
  });

  it('waits with the batch if nothing shows that the receiver takes others', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(2), [1], 2);
    await held.answer(1, 500);
    await held.answer(1, 500);
    await expect(ended).rejects.toThrow(TargetUnavailableError);
    expect(outcomes.size).toBe(0);
  });
});

describe('an outage of the receiver', () => {
  /** Break it: in `HttpDelivery.attempt`, take the time of `sentAt` when the answer is there. */
  it('fails no record because of an answer to a request that was sent before it', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(2), [1, 2], 2);
    // Line 1 was sent before, and its answer drips.
    await held.answer(2, 503);
    await held.answer(1, 200);
    await held.answer(2, 503);
    await expect(ended).rejects.toThrow(TargetUnavailableError);
    expect([...outcomes]).toEqual([[1, 'succeeded']]);
  });

  /** Break it: in `Receiver.noteAnswer`, forget the failures after any answer. */
  it('opens the breaker in spite of answers to requests that were sent before it', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(5), upTo(11), 20);
    for (let line = 2; line <= 10; line += 1) await held.answer(line, 503);
    await held.answer(1, 200);
    await held.answer(11, 503);
    held.answerAll(() => 204);
    await expect(ended).rejects.toThrow(TargetUnavailableError);
    expect(outcomes.get(11)).toBeUndefined();
  });

  /** Break it: in `HttpDelivery.isAtFault`, do not look at `hasFailedInnocents`. */
  it('fails no record that had failed before it, though the receiver took others since then', async () => {
    const held = new HeldReceiver();
    const { outcomes, ended } = deliver(held, new Receiver(2), [1, 2, 3], 3);
    await held.answer(1, 500);
    // Line 3 was sent after that.
    await held.answer(3, 204);
    // From here on, the receiver is down.
    for (let attempt = 1; attempt <= 3; attempt += 1) await held.answer(2, 503);
    for (let attempt = 2; attempt <= 3; attempt += 1) await held.answer(1, 503);
    await expect(ended).rejects.toThrow(TargetUnavailableError);
    expect([...outcomes]).toEqual([[3, 'succeeded']]);
  });

  /** Break it: in `Receiver`, count `hopeful` for each chunk by itself. */
  it('fails no record while records of another chunk may still be taken', async () => {
    const held = new HeldReceiver();
    const receiver = new Receiver(3);
    const first = deliver(held, receiver, [1, 2, 4, 5], 3);
    await held.answer(1, 500);
    for (const line of [5, 4, 2]) await held.answer(line, 204);
    const second = deliver(held, receiver, [3], 3);
    for (let attempt = 2; attempt <= 3; attempt += 1) await held.answer(1, 503);
    expect(first.outcomes.has(1)).toBe(false);
    for (let attempt = 1; attempt <= 3; attempt += 1) await held.answer(3, 503);
    await expect(first.ended).rejects.toThrow(TargetUnavailableError);
    await expect(second.ended).rejects.toThrow(TargetUnavailableError);
    expect(first.outcomes.has(1)).toBe(false);
  });
});

describe('failures at random', () => {
  /** Break it: in `Receiver.noteAnswer`, forget no failures. */
  it('do not open the breaker', async () => {
    const held = new HeldReceiver();
    const seen = new Set<number>();
    // Every third record fails at first.
    held.answerAll((line) => {
      if (seen.has(line) || line % 3 !== 0) return 204;
      seen.add(line);
      return 500;
    });
    const { outcomes, ended } = deliver(held, new Receiver(4), upTo(300), 5);
    await ended;
    expect([outcomes.size, new Set(outcomes.values())]).toEqual([300, new Set(['succeeded'])]);
  });
});
