import { ValidateBy } from 'class-validator';
import type { ProblemDetail } from '../platform/errors.js';
import { jsonPointer } from '../platform/wording.js';

export const PERMISSIONS = [
  'BeginWorkflowImportProcess',
  'ViewImports',
  'ManageImports',
  'Configure',
  'Administer',
  'ReadOwnImports',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/**
 * For documentation and pages: what each permission allows.
 * @public Pages and documents show it.
 */
export const PERMISSION_MEANINGS: Readonly<Record<Permission, string>> = {
  BeginWorkflowImportProcess: 'send rows, perform actions, confirm its own uploads',
  ViewImports: 'read batches, records, instances, metrics and mails',
  ManageImports: 'change, retry, undo and delete batches, resend messages',
  Configure: 'manage import processes, workflows, API keys, mappings and webhook endpoints',
  Administer: 'manage users and settings, read the audit log, find and erase people',
  ReadOwnImports: 'read the batches that the same key created',
};

/** These reach beyond any import process, so they cannot be combined with a limit to some of them. */
const UNLIMITED_PERMISSIONS: readonly Permission[] = ['Configure', 'Administer'];

export const USER_ROLES = ['administrator', 'operator', 'viewer'] as const;
export type UserRole = (typeof USER_ROLES)[number];

const PERMISSIONS_OF: Readonly<Record<UserRole, readonly Permission[]>> = {
  administrator: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports', 'Configure', 'Administer'],
  operator: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports'],
  viewer: ['ViewImports'],
};

/** The permissions of the role. Signed-in administrators also manage users and settings, which have pages only. */
export const permissionsOf = (role: UserRole): readonly Permission[] => PERMISSIONS_OF[role];

export type SignInMethod = 'password' | 'oidc';

/** The author of a request, after authentication. */
export interface Principal {
  /** Stable and unique, for example `api-key:12` or `user:3`; stored as `created_by` and in logs. */
  id: string;
  /** For display: the name of the key, or the e-mail address of the user. */
  name: string;
  permissions: readonly Permission[];
  /** Import processes the principal may use; `null` means all. */
  importProcessIds: readonly number[] | null;
  /** A signed-in administrator, never an API key. */
  administrator: boolean;
  /** Only of a signed-in user: an API key has no account. */
  user?: SignedInUser;
}

export interface SignedInUser {
  id: number;
  role: UserRole;
  /** Of the session of the request. */
  sessionHash: Buffer;
  /** How the session of the request began. */
  method: SignInMethod;
  /** Since the sign-in, or since the user last confirmed it. */
  confirmedSecondsAgo: number;
  /** Someone else set the password: the user must change it before anything else. */
  passwordIsTemporary: boolean;
}

/** The principal of a session. */
export function userPrincipal(user: {
  userId: number;
  email: string;
  role: UserRole;
  importProcessIds: readonly number[] | null;
  passwordIsTemporary: boolean;
  sessionHash: Buffer;
  method: SignInMethod;
  confirmedSecondsAgo: number;
}): Principal {
  const { userId, email, role, importProcessIds, ...session } = user;
  const { passwordIsTemporary, sessionHash, method, confirmedSecondsAgo } = session;
  return {
    id: `user:${userId}`,
    name: email,
    permissions: permissionsOf(role),
    importProcessIds,
    administrator: role === 'administrator',
    user: { id: userId, role, sessionHash, method, confirmedSecondsAgo, passwordIsTemporary },
  };
}

/** What keys and users need to know of import processes, which belong to a layer above; that layer provides it. */
export abstract class KnownImportProcesses {
  /**
   * The ids that no import process has, in the order given. The id of a deleted import process is among them: a key for
   * it could never be used. Existing keys keep such an id, and with it their limit; ids are never reused, so the id
   * admits no one.
   */
  abstract unknownOf(ids: readonly number[]): Promise<number[]>;
}

/** Everything wrong with a limit to import processes for someone with these permissions; `null` means no limit. */
export async function problemsOfLimit(
  known: KnownImportProcesses,
  permissions: readonly Permission[],
  ids: readonly number[] | null,
): Promise<ProblemDetail[]> {
  if (ids === null) return [];
  // With these, a limited key or user could change what keys and workflows of other import processes do.
  const unlimited = UNLIMITED_PERMISSIONS.filter((permission) => permissions.includes(permission));
  return [
    ...unlimited.map((permission) => ({
      pointer: '/importProcessIds',
      code: 'invalid_value',
      message: `${permission} cannot be limited to import processes`,
    })),
    ...(await known.unknownOf(ids)).map((id) => ({
      pointer: jsonPointer('importProcessIds', ids.indexOf(id)),
      code: 'import_process_not_found',
      message: `there is no import process ${id}`,
    })),
  ];
}

interface SetRule {
  most: number;
  /** The allowed items, in words. */
  items: string;
  allows: (item: unknown) => boolean;
}

function problemOfSet(value: unknown, { most, items, allows }: SetRule): string | null {
  if (!Array.isArray(value)) return 'must be an array';
  if (value.length === 0) return 'must name at least one; leave it out to allow all';
  if (value.length > most) return `must name at most ${most}`;
  if (!value.every(allows)) return `must be ${items}`;
  return new Set(value).size < value.length ? 'must not name one twice' : null;
}

/**
 * A list without duplicates. The length is checked first: class-validator's own rules would run on lists of any length,
 * and ArrayUnique compares each pair of items.
 */
export function IsSetOf(rule: SetRule): PropertyDecorator {
  return ValidateBy({
    name: 'isSetOf',
    validator: {
      validate: (value: unknown) => problemOfSet(value, rule) === null,
      defaultMessage: (given) => `$property ${problemOfSet(given?.value, rule)}`,
    },
  });
}

/** Ids of the only import processes that a key or user may use. */
export const IsImportProcessLimit = () =>
  IsSetOf({
    most: 1000,
    items: 'positive integers',
    allows: (item) => Number.isSafeInteger(item) && Number(item) > 0,
  });
