import type { OwnSession } from '../../auth/sessions.service.js';
import { text } from '../texts/catalogue.js';

/** In the order of the test: browsers also name those that they descend from. */
const BROWSERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

const LONGEST_SHOWN = 60;

/** Browser and system as people call them. A program that is not a browser is shown by its own name. */
export function browserName(userAgent: string | null): string {
  if (userAgent === null) return text('account.unknownBrowser');
  const find = (names: typeof BROWSERS) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find(BROWSERS);
  const system = find(SYSTEMS);
  if (browser === undefined) return userAgent.slice(0, LONGEST_SHOWN);
  return system === undefined ? browser : text('account.browserOn', { browser, system });
}

/** A session as its owner sees it. */
export function sessionView({ id, userAgent, address, createdAt, lastSeenAt, current }: OwnSession) {
  return {
    browser: browserName(userAgent),
    address,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
    current,
    endPath: `/account/sessions/${id}/end`,
  };
}
