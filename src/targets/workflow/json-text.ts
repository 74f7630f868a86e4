import type { JsonValue } from '../../common/json.js';
import type { Changes } from './instance-state.js';

/** The names of attributes are few, and each is written thousands of times. */
const quotedNames = new Map<string, string>();
const MOST_NAMES = 10_000;

/**
 * Attributes as a JSON object, whatever their names: by hand, since an object made of each map first, for
 * `JSON.stringify`, takes several times as long.
 */
export function attributesText(attributes: ReadonlyMap<string, JsonValue>): string {
  let text = '{';
  let separator = '';
  for (const [name, value] of attributes) {
    text += separator + quoted(name) + valueText(value);
    separator = ',';
  }
  return text + '}';
}

/** `{"First Name":[before,after],…}` */
export function changesText(changes: Changes): string {
  let text = '{';
  let separator = '';
  for (const { name, before, after } of changes) {
    text += `${separator}${quoted(name)}[${valueText(before)},${valueText(after)}]`;
    separator = ',';
  }
  return text + '}';
}

function valueText(value: JsonValue): string {
  return value === null ? 'null' : JSON.stringify(value);
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
