import { plainNumber } from './number-formats.js';

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
const DAY_MS = 86_400_000;
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
