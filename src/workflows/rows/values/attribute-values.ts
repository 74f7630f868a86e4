import type { AttributeDefinition } from '../../definition.js';
import { multiSelectListType, pickListType } from './choices.js';
import { dateTimeType, dateType } from './dates.js';
import { numericType } from './numbers.js';
import { emailType, richTextType, textType, urlType } from './text.js';
import { ValueError, type ValueType } from './value-type.js';

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
]);
const NOT_A_BOOLEAN = new ValueError('not_a_boolean', 'must be true or false (or yes, no, 1, 0)');

/** Boolean: true, false; as text also yes, no, 1 and 0, in any case. */
export const booleanType: ValueType = {
  parse(value) {
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number') return value === 1 ? true : value === 0 ? false : NOT_A_BOOLEAN;
    if (typeof value !== 'string' || value.length > 5) return NOT_A_BOOLEAN;
    return WORDS.get(value) ?? WORDS.get(value.toLowerCase()) ?? NOT_A_BOOLEAN;
  },
  schemas: [
    { type: 'boolean' },
    { enum: [1, 0] },
    { type: 'string', pattern: '^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|1|0)$' },
  ],
  form: 'true or false (also yes, no, 1, 0)',
  example: 'true',
};

/** How values of the attribute are read. */
export function valueTypeOf(attribute: AttributeDefinition): ValueType {
  switch (attribute.type) {
    case 'ShortText':
    case 'LongText':
      return textType(attribute);
    case 'RichText':
      return richTextType(attribute);
    case 'Numeric':
      return numericType(attribute);
    case 'Boolean':
      return booleanType;
    case 'Date':
      return dateType;
    case 'DateTime':
      return dateTimeType;
    case 'PickList':
      return pickListType(attribute.name, attribute.options ?? []);
    case 'MultiSelectList':
      return multiSelectListType(attribute.options ?? []);
    case 'Email':
      return emailType(attribute);
    case 'Url':
      return urlType(attribute);
  }
}
