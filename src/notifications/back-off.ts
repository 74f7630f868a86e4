/**
 * How long to wait after which failed attempt, in milliseconds; the last one repeats. There is no last attempt: a
 * server that is down for a day, or a password that is wrong for a week, loses no mail.
 */
export const BACK_OFF_MS: readonly number[] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60].map(
  (seconds) => seconds * 1000,
);

/** @param attempts how many have failed since it was owed or asked for again, this one included */
export function backOff(attempts: number, schedule: readonly number[]): number {
  const wait = schedule[attempts - 1] ?? schedule.at(-1);
  if (wait === undefined) throw new Error('a back-off schedule needs at least one step');
  return wait;
}
