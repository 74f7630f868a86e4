import { dictionary } from '@zxcvbn-ts/language-common';
import { unusablePassword } from './auth.errors.js';

export const SHORTEST_PASSWORD = 12;
export const LONGEST_PASSWORD = 256;

/** The 49,000 most common passwords, most of them shorter than ours; about 3 MB, which only processes with users load. */
const common: ReadonlySet<string> = new Set(dictionary['passwords-common']);

/** Digits and symbols around a word do not make a new word. */
const DECORATION = /^[\d\W_]+|[\d\W_]+$/g;
/** One to four characters repeated. */
const REPETITION = /^(.{1,4}?)\1+.{0,3}$/u;

/** Whether an attacker who tries common passwords first would find it soon. */
export function isCommonPassword(password: string): boolean {
  const lower = password.normalize('NFKC').toLowerCase();
  const word = lower.replace(DECORATION, '');
  return common.has(lower) || common.has(word) || REPETITION.test(lower) || word.length < 3;
}

/** @throws DomainError 400 `unusable_password` at the field */
export function assertUsablePassword(password: string, email: string, field = 'password'): void {
  const [local = ''] = email.split('@');
  const lower = password.toLowerCase();
  if (lower === email) throw unusablePassword(field, 'the password must not be the e-mail address');
  if (lower.replace(DECORATION, '') === local) {
    throw unusablePassword(field, 'the password must not be the name in the e-mail address');
  }
  if (isCommonPassword(password)) {
    throw unusablePassword(field, 'this password is too common; choose one that others do not use');
  }
}
