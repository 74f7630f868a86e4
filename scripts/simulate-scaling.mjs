// Simulates how fast N workers process one large batch: `node scripts/simulate-scaling.mjs --workers 1,2,4`.
// A chunk takes turns between its worker (one thread per process) and PostgreSQL, once per round trip. Both need a core:
// the same ones on one machine, their own ones with --worker-cores. A commit flushes the WAL; commits that wait for the
// same flush share it. Times are in microseconds per record, and of the median machine of docs/scaling.md by default.
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/** What a record costs; `npm run bench -- workers` measures it. */
export const DEFAULTS = {
  workers: 1,
  /** Chunks per worker at a time. */
  concurrency: 4,
  /** Cores of PostgreSQL; of the workers, too, unless `workerCores` are given. */
  cores: 2,
  workerCores: 0,
  chunkSize: 1000,
  /** Processor time per record, µs. */
  workerCpu: 28,
  postgresCpu: 32,
  /** WAL per record, and what the disk writes per second. */
  walBytes: 1560,
  walBytesPerSecond: 400e6,
  /** Round trips per chunk, and the time each takes on the network, µs. */
  roundTrips: 13,
  roundTripMicros: 60,
  /** A flush of the WAL, µs. */
  flushMicros: 500,
  chunks: 300,
};

/** Takes tasks in the order of their arrival, on `servers` at a time. */
class Resource {
  constructor(clock, servers) {
    Object.assign(this, { clock, free: servers, line: [] });
  }

  use(duration, then) {
    if (this.free === 0) return this.line.push([duration, then]);
    this.free -= 1;
    this.clock.at(duration, () => {
      this.free += 1;
      const next = this.line.shift();
      if (next !== undefined) this.use(...next);
      then();
    });
  }
}

class Clock {
  now = 0;
  #events = [];

  at(delay, run) {
    const event = { time: this.now + delay, run };
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle].time > event.time) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  run() {
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      this.now = event.time;
      event.run();
    }
  }
}

/** @returns records per second */
export function simulate(options) {
  const o = { ...DEFAULTS, ...options };
  const clock = new Clock();
  const postgresCores = new Resource(clock, o.cores);
  const workerCores = o.workerCores > 0 ? new Resource(clock, o.workerCores) : postgresCores;
  const flushing = new Resource(clock, 1);
  let flush = null;
  let left = o.chunks;
  const step = (perRecord) => (perRecord * o.chunkSize) / o.roundTrips;

  const commit = (then) => {
    if (flush !== null) return flush.push(then);
    flush = [then];
    const bytes = o.walBytes * o.chunkSize;
    flushing.use(o.flushMicros, () => {
      const waiting = flush;
      flush = null;
      clock.at((bytes * waiting.length * 1e6) / o.walBytesPerSecond, () => waiting.forEach((each) => each()));
    });
  };

  for (let worker = 0; worker < o.workers; worker += 1) {
    const thread = new Resource(clock, 1);
    const runChunk = () => {
      if (left === 0) return;
      left -= 1;
      let trips = 0;
      // A thread that waits for a core also keeps the other chunks of its process waiting.
      const trip = () =>
        onThread(thread, step(o.workerCpu), () =>
          clock.at(o.roundTripMicros, () =>
            postgresCores.use(step(o.postgresCpu), () => {
              trips += 1;
              if (trips < o.roundTrips) trip();
              else commit(runChunk);
            }),
          ),
        );
      trip();
    };
    for (let slot = 0; slot < o.concurrency; slot += 1) runChunk();
  }

  function onThread(thread, duration, then) {
    if (thread.free === 0) return thread.line.push([duration, then]);
    thread.free = 0;
    workerCores.use(duration, () => {
      thread.free = 1;
      const next = thread.line.shift();
      if (next !== undefined) onThread(thread, ...next);
      then();
    });
  }

  clock.run();
  return Math.round((o.chunks * o.chunkSize * 1e6) / clock.now);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const named = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const options = Object.fromEntries(Object.keys(DEFAULTS).map((name) => [named(name), { type: 'string' }]));
  const { values } = parseArgs({ options });
  const given = Object.fromEntries(
    Object.keys(DEFAULTS).flatMap((name) =>
      values[named(name)] === undefined ? [] : [[name, values[named(name)]]],
    ),
  );
  const { workers = '1,2,4', ...others } = given;
  const numbers = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, Number(value)]));
  for (const count of workers.split(',').map(Number)) {
    console.log(`${count} workers: ${simulate({ ...numbers, workers: count })} records/s`);
  }
}
