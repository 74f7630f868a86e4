import { setFlagsFromString } from 'node:v8';

/**
 * Collects young garbage on the thread that made it. V8 would share the work with helper threads, which here take the
 * processor from PostgreSQL: without them the intake of a large body is measurably faster and smaller
 * (docs/performance.md). V8 reads the flag at each collection, so it may be set in a running process.
 */
export function collectGarbageAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}
