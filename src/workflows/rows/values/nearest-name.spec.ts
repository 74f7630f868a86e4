import { NearestName } from './value-type.js';

describe('the name that was meant', () => {
  const names = new NearestName(['First Name', ':Email', 'Level']);

  it.each([
    ['Frist Name', ' Did you mean "First Name"?'],
    ['first_name', ' Did you mean "First Name"?'],
    ['Email', ' Did you mean ":Email"?'],
    ['Levle', ' Did you mean "Level"?'],
    ['Shoe Size', ''],
  ])('by %j: %j', (mistyped, hint) => {
    expect(names.hint(mistyped)).toBe(hint);
    expect(names.hint(mistyped)).toBe(hint);
  });

  it('is not looked for among thousands, which would hold up the intake', () => {
    const many = new NearestName(Array.from({ length: 5_000 }, (_, index) => `Option ${index}`));
    expect(many.hint('Optoin 7')).toBe('');
  });
});
