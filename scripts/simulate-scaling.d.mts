export const DEFAULTS: Readonly<Record<string, number>>;
/** Records per second. */
export function simulate(options: Readonly<Record<string, number>>): number;
