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

/** "1 record", "2,000 records". */
export function counted(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** An RFC 3339 time as people read it. In UTC, and saying so: the server does not know where the reader is. */
export function formatTime(time: string): string {
  return `${TIMES.format(new Date(time))} UTC`;
}

/** 3725 → 1 h 2 min; two units at most, since nobody needs the seconds of an hour. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${formatNumber(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The beginning of a long text, whole characters only. */
export function excerpt(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length).toWellFormed()}…`;
}
