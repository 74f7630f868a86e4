import { createHash, randomBytes } from 'node:crypto';

/** 256 random bits; the prefix lets people and secret scanners recognise a key of ours. */
export function newKey(): string {
  return `wiq_${randomBytes(32).toString('base64url')}`;
}

/**
 * What is stored and looked up instead of the key. The index compares digests, not keys: how long a look-up takes
 * says something about the digest of a guess, from which no key can be built. So the look-up is as good as a
 * comparison in constant time, and needs no list of keys in memory, which a revocation would have to reach.
 */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** The first characters, for people to tell keys apart. */
export function keyHint(key: string): string {
  return key.slice(0, key.startsWith('wiq_') ? 8 : 4);
}
