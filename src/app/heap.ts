import { setFlagsFromString } from 'node:v8';

/**
 * Settings of V8's heap, which `main.ts` applies before it loads the application: loading is what makes the heap grow.
 * docs/performance.md has the measurements.
 *
 * Young garbage is collected on the thread that created it. V8 would share the work with helper threads, which here take
 * processor time from PostgreSQL: without them, the intake of a large body is measurably faster and uses less memory.
 *
 * The space for young objects keeps its first size. While the application loads, it would grow to several times what
 * streaming needs, and V8 does not give it back: the process would take 60 MB more when idle and 100 MB more under load.
 */
setFlagsFromString('--no-parallel-scavenge');
setFlagsFromString('--semi-space-growth-factor=1');
