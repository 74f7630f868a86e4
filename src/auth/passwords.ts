import { dictionary } from '@zxcvbn-ts/language-common';
import { unusablePassword, tooManySignIns } from './auth.errors.js';
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Gate } from '../platform/concurrency.js';

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

const AT_A_TIME = 2;
const MOST_WAITING = 100;

const hashing = new Gate(AT_A_TIME, { mostWaiting: MOST_WAITING });

/**
 * Runs the work when its turn comes. The few threads that compute hashes also inflate uploads and resolve host names:
 * a flood of sign-ins must not take all of them.
 * @throws DomainError 503 `too_many_sign_ins` when too many are waiting already
 */
export function hashInTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  return hashing.run(work, tooManySignIns);
}

interface Cost {
  /** log2 of scrypt's N. */
  ln: number;
  r: number;
  p: number;
}

/** A setting that OWASP recommends: 32 MiB and about a quarter of a second of one core. */
const SCRYPT_COST: Cost = { ln: 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * Runs scrypt of Node's own OpenSSL in its thread pool, which needs no package to compile. The hash contains the
 * parameters, so old hashes stay readable when we raise them.
 * Why: ADR 13.
 * @returns `$scrypt$ln=15,r=8,p=3$<salt>$<key>`, both in base64url
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return format(SCRYPT_COST, salt, await derive(password, salt, SCRYPT_COST));
}

/**
 * Compares in constant time. `undefined`, for a user who does not exist, takes as long as a wrong password; otherwise
 * the time would reveal which addresses have an account.
 */
export async function passwordMatches(password: string, hash: string | undefined): Promise<boolean> {
  const { cost, salt, key } = parse(hash ?? UNMATCHABLE);
  const given = await derive(password, salt, cost);
  return timingSafeEqual(given, key) && hash !== undefined;
}

/** Tells whether a new hash would use different parameters. */
export function isOutdatedHash(hash: string): boolean {
  return !hash.startsWith(`$scrypt$${parameters(SCRYPT_COST)}$`);
}

const parameters = ({ ln, r, p }: Cost) => `ln=${ln},r=${r},p=${p}`;

const format = (cost: Cost, salt: Buffer, key: Buffer) =>
  `$scrypt$${parameters(cost)}$${salt.toString('base64url')}$${key.toString('base64url')}`;

/** The hash of no known password. */
const UNMATCHABLE = format(SCRYPT_COST, randomBytes(SALT_BYTES), randomBytes(KEY_BYTES));

const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/;

function parse(hash: string): { cost: Cost; salt: Buffer; key: Buffer } {
  const [, ln, r, p, salt = '', key = ''] = FORM.exec(hash) ?? [];
  if (ln === undefined) throw new Error('A stored password hash is not in the form $scrypt$…');
  return {
    cost: { ln: Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  };
}

function derive(password: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  const N = 2 ** ln;
  const compute = () =>
    new Promise<Buffer>((resolve, reject) => {
      // Two keyboards may produce different code points for the same password; NFKC makes them equal.
      const options = { N, r, p, maxmem: 128 * N * r + 2 ** 20 * p };
      scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
        error === null ? resolve(key) : reject(error),
      );
    });
  return hashInTurn(compute);
}
