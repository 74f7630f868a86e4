const SPECIAL = /["\\]/;
const SPECIALS = /["\\]/g;

/**
 * Texts as a parameter of type `text[]`, in the form PostgreSQL reads. The driver would write an array too, but takes
 * four times as long over it, and a chunk has thousands of elements.
 * @param values must hold no NUL, which no PostgreSQL text can
 */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** Whole numbers as a parameter of type `integer[]` or `bigint[]`. */
export function integerArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

function quoted(value: string): string {
  return `"${SPECIAL.test(value) ? value.replace(SPECIALS, '\\$&') : value}"`;
}
