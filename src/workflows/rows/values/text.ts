import type { JsonObject, JsonValue } from '../../../common/json.js';
import type { AttributeDefinition } from '../../definition.js';
import { NumberText } from '../number-text.js';
import type { RowSource } from '../row-source.js';
import { ValueError } from './value-error.js';
import type { ValueType } from './value-type.js';

export type TextAttribute = Pick<AttributeDefinition, 'name' | 'maxLength'>;

/** ShortText and LongText: kept byte for byte. Nothing is trimmed or normalised. */
export function textType({ name, maxLength }: TextAttribute): ValueType {
  const numbers = new NumberText(name);
  const limit = maxLength ?? Infinity;
  return {
    parse(value, source) {
      const text = readText(value, numbers, source);
      return typeof text === 'string' ? (lengthError(text, limit) ?? text) : text;
    },
    schemas: [textSchema(maxLength), { type: ['number', 'boolean'] }],
    form: maxLength === undefined ? 'Text' : `Text of at most ${maxLength} characters`,
    example: 'Text'.slice(0, maxLength),
  };
}

/** A number or a boolean stands for its text, exactly as it is written in the line. */
export function readText(value: JsonValue, numbers: NumberText, source: RowSource): string | ValueError {
  switch (typeof value) {
    case 'string':
      return source.mayBeUnstorable && !isStorable(value) ? UNSTORABLE : value;
    case 'number':
      return numbers.of(value, source);
    case 'boolean':
      return String(value);
    default:
      return new ValueError('wrong_type', 'must be a text');
  }
}

/** Refuses a text of more than `limit` characters (code points, as JSON Schema counts). */
export function lengthError(text: string, limit: number): ValueError | null {
  if (text.length <= limit) return null;
  const length = codePoints(text);
  if (length <= limit) return null;
  return new ValueError('too_long', `must have at most ${limit} characters; it has ${length}`, false);
}

export function textSchema(maxLength: number | undefined): JsonObject {
  return maxLength === undefined ? { type: 'string' } : { type: 'string', maxLength };
}

const UNSTORABLE = new ValueError(
  'unstorable_text',
  'must not hold U+0000 or half of a surrogate pair, which the database cannot keep: take it out (in a CSV download such a half reads like \\ud83d)',
);

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000');
}

function codePoints(text: string): number {
  let count = text.length;
  for (let index = 1; index < text.length; index += 1) {
    const isPair =
      (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800;
    if (isPair) count -= 1;
  }
  return count;
}
