import type { JsonValue } from './json-value.js';

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
