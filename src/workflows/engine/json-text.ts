import type { JsonValue } from '../../platform/json/json-value.js';
import type { Changes } from './instance-state.js';

/** There are few names of attributes, and each is written thousands of times. */
const quotedNames = new Map<string, string>();
const MOST_NAMES = 10_000;
/** Texts that JSON only encloses in quotes; doing that here takes less than half the time. */
const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/;

/**
 * Attributes as a JSON object, whatever their names. Built by hand, because making an object of each map for
 * `JSON.stringify` takes several times as long.
 */
export function attributesText(attributes: ReadonlyMap<string, JsonValue>): string {
  let members = '';
  for (const [name, value] of attributes)
    members += `${separator(members)}${quoted(name)}${valueText(value)}`;
  return `{${members}}`;
}

/** `{"First Name":[before,after],…}` */
export function changesText(changes: Changes): string {
  let members = '';
  for (const { name, before, after } of changes) {
    members += `${separator(members)}${quoted(name)}[${valueText(before)},${valueText(after)}]`;
  }
  return `{${members}}`;
}

function separator(before: string): string {
  return before === '' ? '' : ',';
}

/** A JSON text as a field of COPY text. JSON has already escaped line ends and tabs. */
export function copyJson(json: string): string {
  return json.includes('\\') ? json.replaceAll('\\', '\\\\') : json;
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
