import type { JsonValue } from '../../../common/json.js';
import { NumberText } from '../number-text.js';
import { Options } from './options.js';
import { readText } from './text.js';
import type { ValueType } from './value-type.js';

/** PickList: one option, written exactly as the definition has it. */
export function pickListType(name: string, names: readonly string[]): ValueType {
  const numbers = new NumberText(name);
  const options = new Options(names);
  return {
    parse(value, source) {
      const text = readText(value, numbers, source);
      return typeof text !== 'string' || options.has(text) ? text : options.error('must be', text);
    },
    schemas: [{ enum: [...names, ...names.flatMap(nativeForms)] }],
    form: `Exactly ${options.form}`,
    example: names[0] ?? '',
  };
}

/** An option such as "1" may also be sent as the JSON number. */
function nativeForms(name: string): JsonValue[] {
  return /^(true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?)$/.test(name)
    ? [JSON.parse(name) as number | boolean]
    : [];
}
