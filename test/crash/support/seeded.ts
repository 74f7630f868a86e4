import { seeded } from '../../support/seeded.js';

/** CRASH_SEED repeats what a run chose; the rest is up to the machine. Prints it. */
export function seededRandom(what: string): () => number {
  const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
  process.stdout.write(`${what}: CRASH_SEED=${seed}\n`);
  return seeded(seed);
}
