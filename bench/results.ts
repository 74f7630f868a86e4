import { appendFileSync } from 'node:fs';

/** One measure of a bench. */
export interface Measure {
  name: string;
  /** `records/s`, `s`, `ms`, `MB`, `bytes` … */
  unit: string;
  /** One value per round. */
  values: readonly number[];
  /** What it is compared with, measured in the same run. */
  reference?: string;
  referenceValues?: readonly number[];
  /** Highest resident set sizes, in MB. */
  peakRss?: Readonly<Record<string, number>>;
  /** The ratio to reach, or with `unit` `ms`, `MB` or `bytes` and no reference the value not to exceed. */
  goal?: number;
}

/** Hands a measure to `npm run bench`, which sums all of them up; a bench that runs by hand only prints it. */
export function measure(result: Measure): void {
  const file = process.env.BENCH_RESULTS;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
}
