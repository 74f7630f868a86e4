const ARRAY_SPECIAL = /["\\]/;
const ARRAY_SPECIALS = /["\\]/g;

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
  return `"${ARRAY_SPECIAL.test(value) ? value.replace(ARRAY_SPECIALS, '\\$&') : value}"`;
}

const COPY_SPECIAL = /[\\\t\n\r]/;
const COPY_SPECIALS = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** NULL in PostgreSQL's COPY text format. */
export const COPY_NULL = '\\N';

/**
 * A value as one field of PostgreSQL's COPY text format. The value must hold no NUL, which no PostgreSQL text can:
 * JSON lines cannot (it is no JSON), and messages pass `visiblyEscaped` first.
 */
export function copyField(value: string | null): string {
  if (value === null) return COPY_NULL;
  return needsEscape(value)
    ? value.replace(COPY_SPECIALS, (character) => ESCAPES[character] ?? character)
    : value;
}

/** Whether `copyField` would change the text. */
export function needsEscape(text: string): boolean {
  return COPY_SPECIAL.test(text);
}

/** The reverse of `copyField`, as PostgreSQL reads it: for tests and for reading COPY TO. */
export function parseCopyField(field: string): string | null {
  if (field === COPY_NULL) return null;
  return field.replace(/\\(.)/gs, (_, character: string) => {
    return { t: '\t', n: '\n', r: '\r' }[character] ?? character;
  });
}

/** A text PostgreSQL can hold: NUL and unpaired surrogates become visible escapes. For messages, never for data. */
export function visiblyEscaped(text: string): string {
  const withoutNul = text.includes('\u0000') ? text.replaceAll('\u0000', '\\u0000') : text;
  if (withoutNul.isWellFormed()) return withoutNul;
  return withoutNul.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
  );
}
