import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../crash/support/seeded.js';
import { eventually } from '../support/eventually.js';
import { OF_A_CHAOS_RUN } from './checks.js';
import { Installation, type Slot } from './installation.js';
import { Load } from './load.js';
import { HAS_POSTGRES } from './postgres-pair.js';

const number = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise);
/** Processes that are killed, frozen or stopped. */
const BLOWS = number('CHAOS_KILLS', 220);
/** Faults of PostgreSQL. */
const FAULTS = number('CHAOS_FAULTS', 60);
/** Times that Redis loses everything. */
const FLUSHES = number('CHAOS_FLUSHES', 15);
/** The longest pause between two events. */
const PAUSE_MS = number('CHAOS_PAUSE_MS', 600);
/** More records are sent only while fewer than these wait. */
const RECORDS_WAITING = 6_000;
const SENDERS = 2;
const ENDS_WITHIN_MS = 600_000;
/** A process that is to be struck has to start first. */
const STRIKES_WITHIN_MS = 300_000;

jest.setTimeout(ENDS_WITHIN_MS + (BLOWS + FAULTS + FLUSHES) * 30_000);

type Event = 'blow' | 'fault' | 'flush';

/**
 * Two API processes and three workers, on servers of their own, under load: PostgreSQL is a primary with a synchronous
 * standby. CRASH_SEED repeats what a run chose; the rest is up to the machine. Break it: in `ChunkRunner.processLocked`, process the records in a transaction of their
 * own; in `DatabaseService.attempt`, treat a COMMIT in doubt as refused.
 */
(HAS_POSTGRES ? describe : describe.skip)(
  'while processes die and freeze, PostgreSQL crashes and fails over, and Redis forgets',
  () => {
    let installation: Installation;
    let random: () => number;
    const done: Record<string, number> = {};
    /** How processes ended after SIGTERM. */
    const endings: Record<string, number> = {};
    /** Processes that ended although nothing struck them. */
    const died: string[] = [];

    beforeAll(async () => {
      random = seededRandom('chaos');
      installation = await Installation.open();
    }, 120_000);
    afterAll(() => installation?.close());

    it('every acknowledged batch ends, with each record done exactly once', async () => {
      await installation.ready();
      const load = await Load.begin(installation, random);
      const sending = Array.from({ length: SENDERS }, () => load.run(() => isEnough(load)));

      const background: Promise<void>[] = [];
      for (const [index, event] of shuffled().entries()) {
        if (index % 25 === 0) process.stdout.write(`chaos: event ${index}, ${load.records} records so far\n`);
        if (event === 'blow') background.push(strike(await victim()));
        else if (event === 'fault') await disturbPostgres();
        else await note('FLUSHALL', installation.redis.flushAll());
        died.push(...installation.replaceEnded());
        await delay(random() * PAUSE_MS);
      }
      await Promise.all(background);
      installation.proxy.restore();
      load.stop();
      await Promise.all(sending);
      await installation.startAfresh();

      const problems = await problemsOf(load);
      process.stdout.write(
        `chaos: ${JSON.stringify(done)}, SIGTERM led to ${JSON.stringify(endings)}; ${load.sent.length} batches, ${load.records} records, ${load.calls} calls, ` +
          `${installation.smtp.mails.length} mails, ${installation.webhooks.received.length} webhooks\n`,
      );
      expect(problems).toEqual([]);
    });

    function shuffled(): Event[] {
      const events = [
        ...Array<Event>(BLOWS).fill('blow'),
        ...Array<Event>(FAULTS).fill('fault'),
        ...Array<Event>(FLUSHES).fill('flush'),
      ];
      return events
        .map((event) => ({ event, at: random() }))
        .sort((a, b) => a.at - b.at)
        .map(({ event }) => event);
    }

    async function note(what: string, work: Promise<void> | void): Promise<void> {
      done[what] = (done[what] ?? 0) + 1;
      await work;
    }

    /**
     * A process that is neither frozen nor about to end. Most of them have begun to work, and leave another one of their
     * role at work, or a slow machine would only start processes.
     */
    async function victim(): Promise<Slot> {
      const strikesAnyone = random() < 0.15;
      const slot = await eventually(
        () => {
          const free = installation.slots.filter(({ busy }) => !busy);
          const working = free.filter(({ process }) => process.listensAt !== undefined);
          const able = strikesAnyone
            ? free
            : working.filter((one) => working.some((other) => other !== one && other.role === one.role));
          return able[Math.floor(random() * able.length)];
        },
        'a process to strike',
        STRIKES_WITHIN_MS,
      );
      slot.busy = true;
      return slot;
    }

    /** Strikes the process, and returns when its place is filled again. */
    async function strike(slot: Slot): Promise<void> {
      const kind = random();
      const blow = kind < 0.5 ? kill(slot) : kind < 0.75 ? freeze(slot, random() * 8_000) : stop(slot);
      await blow.finally(() => (slot.busy = false));
    }

    async function kill(slot: Slot): Promise<void> {
      await note('kill -9', slot.process.kill());
      slot.restart();
    }

    async function freeze(slot: Slot, forMs: number): Promise<void> {
      if (slot.process.alive) slot.process.signal('SIGSTOP');
      await note('SIGSTOP', delay(forMs));
      if (slot.process.alive) slot.process.signal('SIGCONT');
      else slot.restart();
    }

    async function stop(slot: Slot): Promise<void> {
      slot.process.signal('SIGTERM');
      await note('SIGTERM');
      const { code, signal } = await slot.process.ended(120_000);
      const ending = signal ?? `exit ${code}`;
      endings[ending] = (endings[ending] ?? 0) + 1;
      slot.restart();
    }

    async function disturbPostgres(): Promise<void> {
      const { proxy } = installation;
      const kind = Math.floor(random() * 7);
      switch (kind) {
        case 0:
          return note('crash of PostgreSQL', installation.crashPostgres());
        case 1: {
          const observer = await installation.observe();
          await observer.rows(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'workflow-import-queue'`,
          );
          return note('all sessions ended', observer.end());
        }
        case 2:
          return note('cut in COMMIT', proxy.cutAfterNext('COMMIT'));
        case 3:
          return note('fail-over', installation.failOver());
        case 4:
          return note(
            'fail-over in COMMIT',
            installation.failOver(() => proxy.cutAfterNext('COMMIT')),
          );
        case 5:
          proxy.cut();
          await note('connections cut', delay(random() * 2_000));
          return proxy.restore();
        default:
          proxy.silence();
          await note('connections silent', delay(random() * 3_000));
          return proxy.restore();
      }
    }

    async function isEnough(load: Load): Promise<boolean> {
      const observer = await installation.observe().catch(() => undefined);
      try {
        return observer === undefined || load.valid - (await observer.done()) > RECORDS_WAITING;
      } catch {
        return true;
      } finally {
        await observer?.end().catch(() => undefined);
      }
    }

    /** Waits until every batch has ended and every message is sent, and returns what is wrong. */
    async function problemsOf(load: Load): Promise<string[]> {
      const observer = await installation.observe();
      await observer.allEnded(load.sent, ENDS_WITHIN_MS);
      await observer.passClaimTime();
      const unsent = `SELECT count(*) FROM outbox WHERE status IN ('pending', 'sending')`;
      await eventually(async () => (await observer.number(unsent)) === 0, 'all messages to be sent', 240_000);
      const problems = await observer.problems(
        load.sent.map(({ unchanged: _u, messages: _m, ...batch }) => batch),
      );
      await observer.rows(
        `CREATE TABLE witness.sent AS
       SELECT * FROM jsonb_to_recordset($1) AS sent (id bigint, unchanged integer, messages integer)`,
        [JSON.stringify(load.sent)],
      );
      for (const [sentence, violations] of Object.entries(OF_A_CHAOS_RUN)) {
        const rows = await observer.rows(violations);
        if (rows.length > 0)
          problems.push(`NOT: ${sentence}: ${JSON.stringify(rows.slice(0, 3))} (${rows.length})`);
      }
      await observer.end();
      // A message that its receiver had accepted when the sender died comes twice, with the same id.
      const messages = load.sent.reduce((sum, sent) => sum + sent.messages, 0);
      const mails = new Set(installation.smtp.mails.map(({ messageId }) => messageId)).size;
      const webhooks = new Set(installation.webhooks.received.map(({ headers }) => headers['webhook-id']))
        .size;
      if (mails !== load.sent.length + messages)
        problems.push(`NOT: ${load.sent.length + messages} mails: ${mails}`);
      if (webhooks !== messages) problems.push(`NOT: ${messages} webhooks: ${webhooks}`);
      problems.push(...load.unexpected.map((answer) => `answered: ${answer}`));
      problems.push(...died, ...(await installation.doctor()));
      return problems;
    }
  },
);
