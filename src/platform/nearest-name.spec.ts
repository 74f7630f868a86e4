import { nearestName } from './wording.js';

describe('nearestName', () => {
  const known = ['First Name', 'Last Name', 'Date Of Birth', ':Email', 'Level', '等级'];

  it.each([
    ['firstName', 'First Name'],
    ['FIRST_NAME', 'First Name'],
    ['Frist Name', 'First Name'],
    ['Date of Brith', 'Date Of Birth'],
    ['Email', ':Email'],
    ['Levle', 'Level'],
    ['Levels', 'Level'],
  ])('takes %s for %s', (mistyped, meant) => {
    expect(nearestName(mistyped, known)).toBe(meant);
  });

  it.each(['Shoe Size', 'X', '', '!!', '等'])('takes %j for none of them', (name) => {
    expect(nearestName(name, known)).toBeUndefined();
  });

  it('compares names of any length in little time', () => {
    expect(nearestName('a'.repeat(1_000_000), [...known, 'a'.repeat(2_000_000)])).toBe('a'.repeat(2_000_000));
  });
});
