import { assertUsablePassword, isCommonPassword } from './passwords.js';

describe('passwords', () => {
  it.each([
    '123456789012',
    'aaaaaaaaaaaa',
    'abababababab',
    'abcabcabcabca',
    'Password1234',
    'PASSWORD!!!!!',
    '2026-dragon-2026',
    'qwerty123456',
    '1qaz2wsx3edc',
  ])('are refused when they are common: %s', (password) => expect(isCommonPassword(password)).toBe(true));

  it.each(['correct horse battery', 'quite another one', 'zoë isst gern Äpfel', 'kT4-x9wQ2vLm'])(
    'are accepted when they are not: %s',
    (password) => expect(isCommonPassword(password)).toBe(false),
  );

  it.each(['ada.lovelace@example.org', 'Ada.Lovelace1234'])('must not be the address: %s', (password) => {
    expect(() => assertUsablePassword(password, 'ada.lovelace@example.org')).toThrow(/must not be the/);
  });
});
