import { isEmail } from 'class-validator';
import type { GroupRole } from '../platform/config/config.js';
import { USER_ROLES, type UserRole } from './principal.js';

/** Who has signed in, as the identity provider states it. */
export interface Identity {
  issuer: string;
  /** Never changes and is never given to another person, unlike the address. */
  subject: string;
  /** In lower case. Some providers have the address only in the name for the sign-in. */
  email: string | null;
  /** The provider states that the address belongs to the person. */
  emailIsVerified: boolean;
  groups: readonly string[];
}

export type Claims = Readonly<Record<string, unknown>>;

/** Reads the claims of an ID token, or of the userinfo endpoint, that passed every check. */
export function identityOf(claims: Claims, issuer: string, subject: string, groupsClaim: string): Identity {
  const address = addressIn(claims.email);
  return {
    issuer,
    subject,
    email: address ?? addressIn(claims.preferred_username),
    // The statement is about the claim `email` only. At many providers people choose `preferred_username` themselves.
    emailIsVerified: address !== null && claims.email_verified === true,
    groups: textsOf(claimAt(claims, groupsClaim)),
  };
}

/** In lower case; `null` if the claim is not an address. */
function addressIn(claim: unknown): string | null {
  return typeof claim === 'string' && isEmail(claim, { require_tld: false }) ? claim.toLowerCase() : null;
}

/** A claim by its name, which may contain dots, or by its path: `realm_access.roles`. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

const textsOf = (value: unknown): string[] =>
  [value].flat().filter((each): each is string => typeof each === 'string');

/** The role that may do most of those that the groups give; `null` if they give none. */
export function roleOf(groups: readonly string[], rules: readonly GroupRole[]): UserRole | null {
  const given = new Set(rules.filter(({ group }) => groups.includes(group)).map(({ role }) => role));
  return USER_ROLES.find((role) => given.has(role)) ?? null;
}
