import type { GroupRole } from '../platform/config/config.js';
import { identityOf, roleOf } from './identity-provider.js';

const identity = (claims: Record<string, unknown>, groupsClaim = 'groups') =>
  identityOf(claims, 'https://id.example.org', 'subject', groupsClaim);

describe('the identity in the claims of a provider', () => {
  /** Break it: in `claimAt`, split every name at its dots. */
  it.each([
    [{ groups: ['a', 'b'] }, 'groups', ['a', 'b']],
    [{ groups: 'a' }, 'groups', ['a']],
    [{ realm_access: { roles: ['a'] } }, 'realm_access.roles', ['a']],
    [{ 'https://example.org/groups': ['a'] }, 'https://example.org/groups', ['a']],
    [{ groups: [1, null, { a: 1 }, 'a'] }, 'groups', ['a']],
    [{ groups: { constructor: ['a'] } }, 'groups.constructor.name', []],
    [{}, 'constructor.name', []],
    [{}, 'groups', []],
    [{ realm_access: null }, 'realm_access.roles', []],
  ])('has the groups of %j at %s: %j', (claims, groupsClaim, groups) => {
    expect(identity(claims, groupsClaim).groups).toEqual(groups);
  });

  /** Break it: in `identityOf`, take every address for verified. */
  it.each([
    [{ email: 'Ann@Example.org', email_verified: true }, 'ann@example.org', true],
    [{ email: 'ann@example.org' }, 'ann@example.org', false],
    [{ email: 'ann@example.org', email_verified: 'true' }, 'ann@example.org', false],
    [{ preferred_username: 'ann@example.org' }, 'ann@example.org', false],
    [{ preferred_username: 'ann@example.org', email_verified: true }, 'ann@example.org', false],
    [{ email: 'me', email_verified: true, preferred_username: 'ann@example.org' }, 'ann@example.org', false],
    [{ email: 'not an address', preferred_username: 'ann' }, null, false],
    [{ email: ['ann@example.org'] }, null, false],
  ])('has the address of %j', (claims, email, emailIsVerified) => {
    expect(identity(claims)).toMatchObject({ email, emailIsVerified });
  });
});

describe('the role of someone in groups', () => {
  const RULES: GroupRole[] = [
    { group: 'guests', role: 'viewer' },
    { group: 'staff', role: 'operator' },
    { group: 'admins', role: 'administrator' },
  ];

  /** Break it: answer the role of the first rule, or compare without regard to case. */
  it.each([
    [['guests', 'admins', 'staff'], 'administrator'],
    [['staff', 'guests'], 'operator'],
    [['guests'], 'viewer'],
    [['Admins', 'admins2', ''], null],
    [[], null],
  ])('%j is %s', (groups, role) => expect(roleOf(groups, RULES)).toBe(role));
});
