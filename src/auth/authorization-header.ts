/** What an `Authorization` header says. */
export type Credentials =
  | { scheme: 'apikey'; key: string }
  | { scheme: 'basic'; user: string; password: string }
  | { scheme: 'none' }
  /** A scheme we do not know, or a known one with something unusable after it. */
  | { scheme: 'unusable' };

/** Reads `apikey <key>` and `Basic <base64>`; names of schemes are case-insensitive (RFC 9110). */
export function parseAuthorization(header: string | undefined): Credentials {
  if (header === undefined || header.trim() === '') return { scheme: 'none' };
  const [, scheme = '', rest = ''] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case 'apikey':
      return /^[\x21-\x7e]{1,512}$/.test(rest) ? { scheme: 'apikey', key: rest } : { scheme: 'unusable' };
    case 'basic':
      return parseBasic(rest);
    default:
      return { scheme: 'unusable' };
  }
}

function parseBasic(encoded: string): Credentials {
  if (!/^[A-Za-z0-9+/]+=*$/.test(encoded)) return { scheme: 'unusable' };
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return { scheme: 'unusable' };
  return { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}
