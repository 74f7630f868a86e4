import { booleanType } from './attribute-values.js';
import { RowSource } from './value-type.js';

const parse = (value: never) => booleanType.parse(value, new RowSource('{}'));

describe('a Boolean value', () => {
  it.each([true, 'true', 'TRUE', 'True', 'yes', 'Yes', '1', 1])('%j is true', (value) => {
    expect(parse(value as never)).toBe(true);
  });

  it.each([false, 'false', 'FALSE', 'no', 'NO', '0', 0])('%j is false', (value) => {
    expect(parse(value as never)).toBe(false);
  });

  it.each(['y', 'on', ' true', 'wahr', '2', 2, -1, 0.5, [true], {}, 'ıes', 'true\n'])(
    '%j is refused',
    (value) => {
      expect(parse(value as never)).toMatchObject({ code: 'not_a_boolean' });
    },
  );
});
