export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

/**
 * Tells whether no two items are equal as JSON Schema defines it. It compares texts in a set: Ajv compares each pair,
 * which takes minutes on an array that fills one line.
 */
export function hasUniqueItems(items: readonly JsonValue[]): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = canonical(item);
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

/** Returns the same text for equal values: members are sorted, because their order has no meaning. */
function canonical(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value === 0 ? 0 : value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name] ?? null)}`).join(',')}}`;
}

/*
 * JSON texts of rows. They are built by hand, because making an object from the members of each row for
 * `JSON.stringify` takes several times as long.
 */

/** Names of fields are few, and each is written thousands of times. */
const quotedNames = new Map<string, string>();
const MOST_NAMES = 10_000;
/** Texts that JSON only encloses in quotes; quoting them here takes less than half the time. */
const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/;

/** A Map is one. */
interface NamedValues {
  forEach(callback: (value: JsonValue, name: string) => void): void;
}

/** Attributes as a JSON object, whatever their names. */
export function attributesText(attributes: NamedValues): string {
  let members = '';
  attributes.forEach((value, name) => {
    members += `${separator(members)}${quoted(name)}${valueText(value)}`;
  });
  return `{${members}}`;
}

/** `{"First Name":[before,after],…}` */
export function changesText(
  changes: readonly { field: string; before: JsonValue; after: JsonValue }[],
): string {
  let members = '';
  for (const { field, before, after } of changes) {
    members += `${separator(members)}${quoted(field)}[${valueText(before)},${valueText(after)}]`;
  }
  return `{${members}}`;
}

function separator(before: string): string {
  return before === '' ? '' : ',';
}

function valueText(value: JsonValue): string {
  if (value === null) return 'null';
  return typeof value === 'string' && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
}

function quoted(name: string): string {
  let text = quotedNames.get(name);
  if (text === undefined) {
    if (quotedNames.size >= MOST_NAMES) quotedNames.clear();
    text = `${JSON.stringify(name)}:`;
    quotedNames.set(name, text);
  }
  return text;
}
