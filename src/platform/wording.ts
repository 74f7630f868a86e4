const NUMBERS = new Intl.NumberFormat('en');
const TIMES = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'medium',
  timeStyle: 'medium',
  timeZone: 'UTC',
});

/** 1234567 → 1,234,567 */
export function formatNumber(value: number): string {
  return NUMBERS.format(value);
}

/** Formats an RFC 3339 time for people, in UTC and labeled so: the server does not know the reader's time zone. */
export function formatTime(time: string): string {
  return `${TIMES.format(new Date(time))} UTC`;
}

/** 3725 → 1 h 2 min; two units at most, because the seconds of an hour do not matter. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${formatNumber(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Characters that look like nothing, or like a plain space: controls, format characters, halves, other spaces. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]|(?! )\p{Zs}|^ | $/gu;
const PLAINLY_VISIBLE = /^[!#-[\]-~](?:[ !#-[\]-~]*[!#-[\]-~])?$/;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A text in double quotes, with every character that cannot be seen written as an escape, and with a space at its ends
 * too: `"a@b.org\u00a0"`.
 */
export function visiblyQuoted(text: string): string {
  if (PLAINLY_VISIBLE.test(text)) return `"${text}"`;
  return `"${text.replace(/["\\]/g, '\\$&').replace(UNSEEN, escapeOf)}"`;
}

function escapeOf(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return SHORT_ESCAPES[character] ?? (code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`);
}

/** The beginning of a long text, without splitting characters. */
export function excerpt(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).toWellFormed()}…`;
}

/**
 * How many single characters must be inserted, deleted, replaced or swapped with the next one to turn one text into the
 * other.
 */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const replaced = at(last, j - 1) + (same ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
          ? at(beforeLast, j - 2) + 1
          : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}

/**
 * The name without case, accents, spaces and punctuation: `firstName`, `FIRST_NAME` and `First Name` are the same name
 * written differently.
 */
export function foldedName(name: string): string {
  return (
    name
      .normalize('NFKD')
      // Both, because only the upper case of ß is the same as that of ss.
      .toUpperCase()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, '')
  );
}

/** Longer names are compared by their beginning: the work grows with the square of the length. */
const LONGEST = 100;

/** The known name that the user probably meant, for a hint; `undefined` when none is similar. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const wanted = foldedName(name.slice(0, LONGEST));
  const bound = Math.floor(wanted.length / 3);
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const other = foldedName(candidate.slice(0, LONGEST));
    if (Math.abs(other.length - wanted.length) > bound) continue;
    const found = distance(wanted, other);
    if (found < least && found <= bound) [nearest, least] = [candidate, found];
  }
  return nearest;
}

/**
 * Text from outside as one line of bounded length: no file name or error message can begin a line of its own in a mail,
 * let alone a header. The result also fits a PostgreSQL text, which cannot hold NUL.
 */
export function oneLine(text: string, maxLength = 500): string {
  return excerpt(text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim(), maxLength);
}

/**
 * RFC 6901 pointer to a member, from the names and indexes on the way to it. Without any, it points to the whole
 * document.
 */
export function jsonPointer(...path: readonly (string | number)[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** A text with a singular and a plural. */
export interface Plural {
  readonly one: string;
  readonly other: string;
}

export function pluralForm({ one, other }: Plural, count: number): string {
  return count === 1 ? one : other;
}

/** Replaces the words in braces in one pass: the inserted text is not searched for further words in braces. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (word, name: string) => values[name] ?? word);
}
