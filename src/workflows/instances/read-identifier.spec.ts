import { readIdentifier } from './instance-search.sql.js';

describe('readIdentifier', () => {
  const identifiers = [
    { name: ':Id', unique: true },
    { name: ':Id:Old', unique: true },
    { name: ':Email', unique: true, caseInsensitive: true },
  ];

  it.each([
    [':Id:A:1', ':Id', 'A:1'],
    [':Id:Old:7', ':Id:Old', '7'],
    [':Id:Old:', ':Id', 'Old:'],
    [':Email:Ada@Example.org', ':Email', 'ada@example.org'],
    [':Id: x', ':Id', 'x'],
  ])('reads %s as %s = %s', (text, name, value) => {
    expect(readIdentifier(text, identifiers)).toEqual({ name, value });
  });

  it.each([':Email', ':Email:', 'Email:x', ':email:x', ':Nobody:x', ''])('refuses %s', (text) => {
    expect(() => readIdentifier(text, identifiers)).toThrow(':Id:value, :Id:Old:value, :Email:value');
  });
});
