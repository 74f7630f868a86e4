import type { Invariant } from './invariants.js';

export interface Violation {
  invariant: Invariant;
  /** How many rows break it. */
  count: number;
  /** The first of them. */
  rows: Record<string, unknown>[];
}

interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}

const SHOWN = 5;

/** What is broken. For one moment of the database, call it in one REPEATABLE READ transaction. */
export async function examine(sql: Queryable, invariants: readonly Invariant[]): Promise<Violation[]> {
  const violations: Violation[] = [];
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
