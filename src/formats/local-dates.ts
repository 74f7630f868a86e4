import type { DateOrder } from './reading.js';
import type { TypedCell } from './record-reader.js';

/* Days and times as databases and spreadsheets write them. */

const DAY_AND_TIME =
  /^(\d[\d./-]*),?(?: +|T)(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?(?: ?([AaPp])\.?[Mm]\.?)?$/;

/** A local day with a time of day as `hh:mm:ss`, of 24 hours or of twice 12; `null` for any other text. */
export function dayAndTime(text: string): { day: string; time: string } | null {
  const [, day, hour = '', minute = '', second = '00', fraction = '', half] =
    DAY_AND_TIME.exec(text.replace(/[\u00a0\u202f]/g, ' ')) ?? [];
  const hours = half === undefined ? Number(hour) : hoursOf(Number(hour), half.toLowerCase() === 'p');
  if (day === undefined || hours === null || hours > 23 || Number(minute) > 59 || Number(second) > 59)
    return null;
  return { day, time: `${String(hours).padStart(2, '0')}:${minute}:${second}${fraction}` };
}

function hoursOf(hour: number, isAfternoon: boolean): number | null {
  if (hour < 1 || hour > 12) return null;
  return (hour % 12) + (isAfternoon ? 12 : 0);
}

const MIDNIGHT = /^00:00:00(\.0+)?$/;
const DAY_MONTH_YEAR = /^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$/;
const YEAR_MONTH_DAY = /^(\d{4})[./-](\d{1,2})[./-](\d{1,2})$/;
export const ISO_DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The forms as the page names them. */
const WRITTEN: Readonly<Record<Exclude<DateOrder, 'iso'>, { form: string; example: string }>> = {
  dmy: { form: 'day.month.year', example: '31.01.2026' },
  mdy: { form: 'month/day/year', example: '01/31/2026' },
  ymd: { form: 'year/month/day', example: '2026/01/31' },
};

/** What a text must be to be a date of the column; `null`: the check of the row says so. */
export function dateRule(text: string, order: DateOrder | null): string | null {
  if (order === 'iso') return null;
  if (order === null)
    return DAY_MONTH_YEAR.test(text)
      ? 'must be a date written YYYY-MM-DD, unless the order of day, month and year in the file is stated'
      : null;
  const { form, example } = WRITTEN[order];
  return (order === 'ymd' ? YEAR_MONTH_DAY : DAY_MONTH_YEAR).test(text)
    ? `must be an existing calendar day, written ${form}`
    : `must be a date written ${form} with a four-digit year, for example ${example}`;
}

/** A day as ISO, from the form of the column; other texts stay as they are. A day at midnight is the day. */
export function dayOf(text: string, order: DateOrder | null): string {
  if (text.includes(':')) {
    const { day, time } = dayAndTime(text) ?? { day: '', time: '' };
    const iso = MIDNIGHT.test(time) ? dayOf(day, order) : '';
    return ISO_DAY.test(iso) ? iso : text;
  }
  if (order === null || order === 'iso') return text;
  const [, first = '', second = '', third = ''] =
    (order === 'ymd' ? YEAR_MONTH_DAY : DAY_MONTH_YEAR).exec(text) ?? [];
  if (first === '') return text;
  const [year, month, day] =
    order === 'ymd'
      ? [first, second, third]
      : order === 'dmy'
        ? [third, second, first]
        : [third, first, second];
  return isDay(Number(year), Number(month), Number(day))
    ? `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`
    : text;
}

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

const DATABASE_TIME =
  /^(\d{4}-\d{2}-\d{2})[ Tt](\d{2}:\d{2})(:\d{2}(?:\.\d+)?)? ?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/;

/**
 * Databases write a space for the T, and offsets without minutes; spreadsheets write the day in local form. A time
 * without offset is one of the time zone.
 */
export function timeOf(text: string, order: DateOrder | null, timeZone: string | undefined): string {
  const [, day, minutes, seconds = ':00', offset] = DATABASE_TIME.exec(text) ?? [];
  if (day === undefined || minutes === undefined) {
    const local = dayAndTime(text);
    const iso = local === null ? '' : dayOf(local.day, order);
    return local !== null && ISO_DAY.test(iso) ? (inZone(`${iso}T${local.time}`, timeZone) ?? text) : text;
  }
  const local = `${day}T${minutes}${seconds}`;
  if (offset !== undefined) return `${local}${offsetOf(offset)}`;
  return inZone(local, timeZone) ?? text;
}

function offsetOf(offset: string): string {
  if (offset.length === 3) return `${offset}:00`;
  return offset.length === 5 ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset;
}

/** A moment of a workbook, which has no offset. */
export function momentOf(value: string, kind: TypedCell['kind'], timeZone: string | undefined): string {
  if (kind !== 'date' && kind !== 'dateTime') return value;
  const local = kind === 'date' ? `${value}T00:00:00` : value;
  return inZone(local, timeZone) ?? `${local}Z`;
}

/**
 * The local time with the offset that its zone has then. Of a time that occurs twice, the first; a time that a change of
 * the clocks leaves out is read as if they had not changed yet. `null` if there is no such day or time.
 */
function inZone(local: string, timeZone: string | undefined): string | null {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return null;
  if (timeZone === undefined || timeZone === 'UTC') return `${local}Z`;
  const before = offsetAt(asUtc - 24 * 3600_000, timeZone);
  const after = offsetAt(asUtc + 24 * 3600_000, timeZone);
  const fits = [before, after].find((offset) => offsetAt(asUtc - offset * 60_000, timeZone) === offset);
  const minutes = fits ?? before;
  const size = Math.abs(minutes);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${local}${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

const zones = new Map<string, Intl.DateTimeFormat>();

/** The minutes by which clocks of the zone are ahead of UTC at a moment. */
function offsetAt(moment: number, timeZone: string): number {
  const format =
    zones.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  zones.set(timeZone, format);
  const name = format.formatToParts(moment).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
