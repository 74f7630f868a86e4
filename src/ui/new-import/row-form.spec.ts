import { filledIn, rowOf } from './row-form.js';

describe('the form of a row', () => {
  it('separates columns from other fields, and joins selected options', () => {
    const values = filledIn({
      'column:Name': 'Ann',
      'column:Areas': ['A', 'B'],
      other: 'x',
      'column:Born': '',
    });
    expect(rowOf(values)).toBe('{"Name":"Ann","Areas":"A;B"}');
  });
});
