import type { AttributeDefinition } from '../definition.js';
import { readAttribute } from './instance-search.sql.js';

describe('readAttribute', () => {
  const attributes: AttributeDefinition[] = [
    { name: 'Name', type: 'ShortText' },
    { name: 'Name: second', type: 'ShortText' },
    { name: 'Hours', type: 'Numeric' },
    { name: 'Active', type: 'Boolean' },
    { name: 'Born', type: 'Date' },
    { name: 'Areas', type: 'MultiSelectList', options: ['A', 'B', 'C;D'] },
  ];

  it.each([
    ['Name:Ada', 'Name', 'Ada'],
    ['Name:a:b', 'Name', 'a:b'],
    ['Name: second:x', 'Name: second', 'x'],
    ['Name:', 'Name', null],
    ['Hours:12.50', 'Hours', 12.5],
    ['Hours:12345678901234567890', 'Hours', '12345678901234567890'],
    ['Active:yes', 'Active', true],
    ['Born:2026-02-01', 'Born', '2026-02-01'],
    ['Areas:B;C\\;D', 'Areas', ['B', 'C;D']],
  ])('reads %s as %s = %j', (text, name, value) => {
    expect(readAttribute(text, attributes)).toEqual({ name, value });
  });

  it.each([
    ['Nmae:Ada', 'did you mean Name?'],
    ['Ada', 'must be the name of an attribute'],
    ['Hours:many', '"Hours" must be'],
    ['Born:01/02/2026', '"Born" must be'],
    ['Areas:E', '"Areas" may hold only'],
  ])('refuses %s', (text, sentence) => {
    expect(() => readAttribute(text, attributes)).toThrow(sentence);
  });
});
