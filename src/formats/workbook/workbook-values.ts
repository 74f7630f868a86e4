/** What a number format makes of a number. */
export type FormatKind = 'number' | 'date' | 'datetime' | 'time' | 'duration';

/** What a style shows: the kind, and for numbers like postal codes (`00000`) the digits to fill up to. */
export interface NumberFormat {
  kind: FormatKind;
  minDigits: number;
}

const GENERAL: NumberFormat = { kind: 'number', minDigits: 0 };

/** The built-in formats that mean dates and times; their codes are not in the file (ECMA-376, 18.8.30). */
const BUILT_IN: readonly (readonly [first: number, last: number, kind: FormatKind])[] = [
  [14, 17, 'date'],
  [18, 21, 'time'],
  [22, 22, 'datetime'],
  [27, 31, 'date'],
  [32, 35, 'time'],
  [36, 36, 'date'],
  [45, 45, 'time'],
  [46, 46, 'duration'],
  [47, 47, 'time'],
  [50, 54, 'date'],
  [55, 56, 'time'],
  [57, 58, 'date'],
];

export function builtInFormat(id: number): NumberFormat {
  const kind = BUILT_IN.find(([first, last]) => id >= first && id <= last)?.[2];
  return kind === undefined ? GENERAL : { kind, minDigits: 0 };
}

/** Text in quotes, escaped and filling characters, and brackets (colors, currencies, conditions) except `[h]`. */
const LITERALS = /"[^"]*"?|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]/gi;
const MIN_DIGITS = /^0{2,30}$/;

/** Reads a number format as Excel writes it. The first section that looks like a date or time decides. */
export function numberFormat(code: string): NumberFormat {
  for (const section of code.replace(LITERALS, '').split(';')) {
    const kind = kindOfSection(section);
    if (kind !== 'number') return { kind, minDigits: 0 };
  }
  const minDigits = MIN_DIGITS.test(code) ? code.length : 0;
  return { kind: 'number', minDigits };
}

function kindOfSection(section: string): FormatKind {
  const text = section.toLowerCase();
  if (/^\s*general/.test(text)) return 'number';
  if (/\[(h+|m+|s+)\]/.test(text)) return 'duration';
  const isClock = /[hs]|am\/pm|a\/p/.test(text);
  // "E+00" is an exponent, while a lone "e" is the year of an era.
  const hasDay = /[yd]|(?<![0#?.])e(?![+-])|g{1,3}|b{2,4}/.test(text.replace(/am\/pm|a\/p/g, ''));
  // "m" is a month, or minutes beside hours or seconds.
  const hasMonth = /m/.test(text.replace(/am\/pm|h+\W*m+|m+\W*s+/g, ''));
  if (hasDay || hasMonth) return isClock ? 'datetime' : 'date';
  return isClock ? 'time' : 'number';
}

const DAY_MS = 86_400_000;
/** 1899-12-31, from which Excel counts days until its 29 February 1900, which never was. */
const EPOCH_MS = Date.UTC(1899, 11, 31);
const LEAP_BUG = 60;
/** Days between the epochs 1900 and 1904. */
const EPOCH_1904_DAYS = 1462;
const LAST_DAY = 2_958_466;

/**
 * A date, time or duration cell as ISO text: `2025-12-31`, `2025-12-31T13:45:00`, `13:45:00`, `27:30:00`. No time zone
 * is involved. Milliseconds are written if there are any; the noise of binary fractions is rounded away.
 * @returns `null` for a number that is no day of the calendar, such as 60 or -1
 */
export function serialText(serial: number, kind: FormatKind, is1904: boolean): string | null {
  if (kind === 'duration') return durationText(Math.round(serial * DAY_MS));
  if (kind === 'time') {
    const ms = Math.round(serial * DAY_MS);
    return ms < 0 ? null : clockText(ms % DAY_MS);
  }
  const ms = Math.round((is1904 ? serial + EPOCH_1904_DAYS : serial) * DAY_MS);
  const days = Math.floor(ms / DAY_MS);
  if (days < 1 || days === LEAP_BUG || days >= LAST_DAY || (is1904 && serial < 0)) return null;
  const iso = new Date(EPOCH_MS + ms - (days > LEAP_BUG ? DAY_MS : 0)).toISOString();
  return kind === 'date' ? iso.slice(0, 10) : iso.slice(0, iso.endsWith('.000Z') ? 19 : 23);
}

function clockText(ms: number): string {
  const iso = new Date(ms).toISOString();
  return iso.slice(11, iso.endsWith('.000Z') ? 19 : 23);
}

/** `H:MM:SS[.mmm]`, with as many hours as there are. */
export function durationText(ms: number): string {
  const size = Math.abs(ms);
  const hours = String(Math.floor(size / 3_600_000)).padStart(2, '0');
  return `${ms < 0 ? '-' : ''}${hours}${clockText(size % 3_600_000).slice(2)}`;
}

const EXACT_INTEGER = /^-?\d{1,17}$/;
/** The digits that Excel calculates with. Beyond them a fraction is the noise of binary numbers. */
const SIGNIFICANT_DIGITS = 15;

/**
 * A number as plain digits with a point, without exponent: `0.1 + 0.2` is `0.3`. Whole numbers keep every digit.
 * @returns `null` if the text is not a number
 */
export function plainNumber(text: string): string | null {
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (trimmed === '' || !Number.isFinite(value) || !/^[-+.\deE]+$/.test(trimmed)) return null;
  if (EXACT_INTEGER.test(trimmed)) return BigInt(trimmed).toString();
  if (Number.isInteger(value)) return withoutExponent(String(value));
  return withoutExponent(String(Number(value.toPrecision(SIGNIFICANT_DIGITS))));
}

/** A whole number with leading zeros, as a format such as `00000` shows it. */
export function withMinDigits(digits: string, minDigits: number): string {
  return minDigits === 0 || !/^\d+$/.test(digits) ? digits : digits.padStart(minDigits, '0');
}

/** Writes `1.5e-7` as `0.00000015`. */
function withoutExponent(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text === '-0' ? '0' : text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const point = whole.length + Number(exponent);
  const digits = whole + fraction;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Characters that XML 1.0 cannot hold, halves of surrogate pairs, and text that looks like an escape of Office. */
const TO_ESCAPE =
  /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]|_(?=x[0-9a-fA-F]{4}_)|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const MARKUP: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A text for XML; what XML cannot hold becomes `_xHHHH_`, as Office writes it, so no character is lost. */
export function xmlText(text: string): string {
  return text
    .replace(
      TO_ESCAPE,
      (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`,
    )
    .replace(/[&<>"]/g, (character) => MARKUP[character] ?? character);
}

/** Whether a spreadsheet shows and gives back exactly this text when it is stored as a number. */
export function isExactNumber(text: string): boolean {
  if (text.length > 17 || plainNumber(text) !== text) return false;
  return text.replace(/^-?0?\.?0*|\./g, '').length <= 15;
}

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
/** The serial number of 1 March 1900; Excel shows earlier days differently from other programs. */
const FIRST_SAFE_DAY = 61;

/** The number by which a workbook stores a day written `YYYY-MM-DD`; `null` if it cannot be stored exactly. */
export function serialOfDay(text: string): number | null {
  const [, year, month, day] = DAY.exec(text) ?? [];
  if (year === undefined) return null;
  const ms = Date.UTC(Number(year), Number(month) - 1, Number(day));
  if (Number(year) < 1900 || new Date(ms).toISOString().slice(0, 10) !== text) return null;
  const serial = (ms - Date.UTC(1899, 11, 30)) / DAY_MS;
  return serial < FIRST_SAFE_DAY ? null : serial;
}
