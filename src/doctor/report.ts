import type { Violation } from './examine.js';

/** For people: what is wrong, the first rows of it, and what to do. */
export function report(violations: readonly Violation[], examined: number): string {
  if (violations.length === 0) return `All is well: ${examined} invariants hold.\n`;
  const parts = violations.map(({ invariant, count, rows }) =>
    [
      `NOT TRUE (${count} times): ${invariant.sentence}  [${invariant.code}]`,
      ...rows.map((row) => `    ${JSON.stringify(row)}`),
      ...(count > rows.length ? [`    … and ${count - rows.length} more`] : []),
      `  What to do: ${invariant.repair}`,
    ].join('\n'),
  );
  return `${parts.join('\n\n')}\n\n${violations.length} of ${examined} invariants do not hold.\n`;
}
