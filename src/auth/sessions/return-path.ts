export const LOGIN_PATH = '/login';
/** Recent Imports. */
export const HOME_PATH = '/imports';

const LONGEST = 2000;
const NOWHERE = 'http://here.invalid';

/**
 * The sign-in page, which afterwards leads to the path.
 * @param unsent a form was sent without a session, and what it held is lost: the page says so
 */
export function loginPath(returnTo?: string, unsent = false): string {
  const path = returnPath(returnTo);
  const query = new URLSearchParams({
    ...(path !== HOME_PATH && { next: path }),
    ...(unsent && { unsent: 'yes' }),
  }).toString();
  return query === '' ? LOGIN_PATH : `${LOGIN_PATH}?${query}`;
}

/**
 * Where to go after the sign-in: a path of ours, whatever was given. `//host`, `/\host` and control characters that
 * browsers drop all lead elsewhere once a browser has read them, so the URL is read as a browser does and judged then.
 */
export function returnPath(given: unknown): string {
  if (typeof given !== 'string' || given.length > LONGEST || !given.startsWith('/')) return HOME_PATH;
  if (!URL.canParse(given, NOWHERE)) return HOME_PATH;
  const { origin, pathname, search, hash } = new URL(given, NOWHERE);
  // "/.//host" is read as the path "//host", which as a Location of its own would be a host.
  if (origin !== NOWHERE || pathname.startsWith('//')) return HOME_PATH;
  if (/^\/(login|logout)?\/?$/i.test(pathname)) return HOME_PATH;
  return pathname + search + hash;
}
