import type { Invariant } from './invariants.js';

export interface InvariantViolation {
  invariant: Invariant;
  /** How many rows violate it. */
  count: number;
  /** The first violating rows. */
  rows: Record<string, unknown>[];
}

interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}

const SHOWN = 5;

/** Finds the violations. For a consistent view of the database, call it in one REPEATABLE READ transaction. */
export async function examine(
  sql: Queryable,
  invariants: readonly Invariant[],
): Promise<InvariantViolation[]> {
  const violations: InvariantViolation[] = [];
  for (const invariant of invariants) {
    const { rows } = await sql.query(
      `SELECT to_jsonb(broken) AS row, count(*) OVER () AS count FROM (${invariant.sql}) broken LIMIT ${SHOWN}`,
    );
    const [first] = rows;
    if (first === undefined) continue;
    const shown = rows.map(({ row }) => row as Record<string, unknown>);
    violations.push({ invariant, count: Number(first['count']), rows: shown });
  }
  return violations;
}

/** For people: the violations, their first rows, and the repair. */
export function describeViolations(violations: readonly InvariantViolation[], examined: number): string {
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
