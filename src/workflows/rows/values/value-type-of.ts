import type { AttributeDefinition } from '../../definition.js';
import { booleanType } from './boolean.js';
import { dateTimeType } from './date-time.js';
import { dateType } from './date.js';
import { emailType } from './email.js';
import { multiSelectListType } from './multi-select-list.js';
import { numericType } from './numeric.js';
import { pickListType } from './pick-list.js';
import { richTextType } from './rich-text.js';
import { textType } from './text.js';
import { urlType } from './url.js';
import type { ValueType } from './value-type.js';

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
