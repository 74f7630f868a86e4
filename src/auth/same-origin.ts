import type { IncomingHttpHeaders } from 'node:http';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Is the request a write that a page of another site may have made the browser send? The browser attaches the cookie
 * of a session to requests for our origin, whoever asked for them, so such writes must prove where they come from.
 * `Sec-Fetch-Site` cannot be set by scripts and says it outright; browsers leave it out on plain HTTP, where `Origin`
 * (sent with every write for years) is compared. With neither nothing is proven, and the write is refused.
 * A token in each form would do the same, at the price of a change to every form and every client.
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
  if (origin === undefined || !URL.canParse(origin)) return true;
  const us = new URL(publicUrl);
  if (origin === us.origin) return false;
  // Behind a proxy Host may be an inner name, and PUBLIC_URL the outer one; both are us. But where the outer one is
  // https, the same name on plain http is not us: anybody on the way can write such a page.
  const { host } = new URL(origin);
  return host !== headers.host || host === us.host;
}
