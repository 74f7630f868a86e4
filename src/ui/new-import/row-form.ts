import { jsonMembers } from '../../import-queue/results/json-members.js';

/** Columns come with this before their name, apart from whatever else the form has. */
const COLUMN = 'column:';

/** The columns somebody filled in; several ticked options as CSV has them, with semicolons. */
export function filledIn(form: unknown, prefix = COLUMN): Map<string, string> {
  const values = new Map<string, string>();
  for (const [field, value] of Object.entries((form ?? {}) as Record<string, unknown>)) {
    if (!field.startsWith(prefix)) continue;
    const texts = [value].flat().filter((text): text is string => typeof text === 'string');
    values.set(field.slice(prefix.length), texts.join(';'));
  }
  return values;
}

/** A row of what was filled in: columns left blank are not in it. */
export function rowOf(values: ReadonlyMap<string, string>): string {
  return JSON.stringify(Object.fromEntries([...values].filter(([, value]) => value !== '')));
}

/**
 * A row with the cells somebody changed. What was not changed stays as it was sent, to the last digit; what was
 * cleared is cleared, and a column that no row has is left out when it is.
 */
export function mended(
  payload: string,
  changed: ReadonlyMap<string, string>,
  shown: (json: string | undefined) => string | null,
  known: ReadonlySet<string>,
): string {
  const members = jsonMembers(payload);
  for (const [name, text] of changed) {
    if (text === (shown(members.get(name)) ?? '').replaceAll('\r\n', '\n')) continue;
    if (text !== '') members.set(name, JSON.stringify(text));
    else if (members.has(name)) {
      if (known.has(name)) members.set(name, 'null');
      else members.delete(name);
    }
  }
  return `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}
