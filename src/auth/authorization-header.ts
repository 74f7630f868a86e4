/** What an `Authorization` header says. */
export type Credentials =
  | { scheme: 'apikey'; key: string }
  /** No header, or one with a scheme that is not ours: a proxy before us may have its own. */
  | { scheme: 'none' }
  /** Our scheme with something after it that cannot be a key. */
  | { scheme: 'unusable' };

/** Reads `apikey <key>`; names of schemes are case-insensitive (RFC 9110). */
export function parseAuthorization(header: string | undefined): Credentials {
  const [, scheme = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(header ?? '') ?? [];
  if (scheme.toLowerCase() !== 'apikey') return { scheme: 'none' };
  return /^[\x21-\x7e]{1,512}$/.test(rest) ? { scheme: 'apikey', key: rest } : { scheme: 'unusable' };
}
