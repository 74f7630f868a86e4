/* global afterAll */
/**
 * Before each test file on servers: makes hashes of passwords cheap. A real one takes a quarter of a second of one core,
 * and sign-in.spec.ts alone makes eighty. The code around scrypt stays; what a hash costs is tested beside it
 * (`src/auth/password-hash.spec.ts`). Programs that a test starts compute real hashes.
 */
const crypto = require('node:crypto');

const { scrypt } = crypto;
const CHEAP = 2 ** 4;

crypto.scrypt = (password, salt, length, { N, ...options }, callback) =>
  scrypt(password, salt, length, { ...options, N: Math.min(N, CHEAP) }, callback);

// The worker that ran this file may run unit tests next.
afterAll(() => {
  crypto.scrypt = scrypt;
});
