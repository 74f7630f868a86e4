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
export const UNLIMITED_PERMISSIONS: readonly Permission[] = ['Configure', 'Administer'];

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
