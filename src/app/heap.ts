import { setFlagsFromString } from 'node:v8';

/**
 * Settings of V8's heap, which `main.ts` imports before anything else. docs/performance.md has the measurements.
 *
 * Young garbage is collected on the thread that created it. V8 would share the work with helper threads, which here take
 * processor time from PostgreSQL: without them, the intake of a large body is measurably faster and uses less memory.
 *
 * The space for young objects no longer grows. Modules are linked before any of them runs, so it has the size that
 * linking needed. Setting this before the application is even read would save 100 MB under load, but intake would be a
 * fifth slower.
 *
 * V8 collects all garbage when two and a half times as much is in use as the last time left, not four times: processing
 * then takes 390 to 440 instead of 560 to 590 MB, at the same speed.
 */
setFlagsFromString('--no-parallel-scavenge');
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=150');
