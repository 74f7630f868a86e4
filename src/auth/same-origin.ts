import type { IncomingHttpHeaders } from 'node:http';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Is the request a write that a page of another site may have made the browser send? Browsers attach remembered
 * Basic credentials to every request for our origin, whoever asked for it, so such writes must prove their origin.
 * `Sec-Fetch-Site` cannot be set by scripts and says it outright; browsers leave it out on plain HTTP, where `Origin`
 * (sent with every cross-origin write) is compared. With neither, the caller is no browser and remembers nothing.
 * A token in each form would do the same, but needs a session to belong to and a change to every client.
 */
export function isCrossSiteWrite(
  method: string,
  headers: Pick<IncomingHttpHeaders, 'sec-fetch-site' | 'origin' | 'host'>,
  publicUrl: string,
): boolean {
  if (SAFE_METHODS.has(method)) return false;
  const site = headers['sec-fetch-site'];
  // "none": typed or bookmarked, not sent by a page. "same-site" is another origin, and not trusted.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const { origin } = headers;
  if (origin === undefined) return false;
  const host = URL.canParse(origin) ? new URL(origin).host : undefined;
  // Behind a proxy Host may be an inner name; then the public one counts.
  return host === undefined || (host !== headers.host && host !== new URL(publicUrl).host);
}
