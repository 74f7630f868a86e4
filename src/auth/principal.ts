export const PERMISSIONS = [
  'BeginWorkflowImportProcess',
  'ViewImports',
  'ManageImports',
  'Configure',
] as const;

/**
 * BeginWorkflowImportProcess: start batches and list active import processes; ViewImports: read batches;
 * ManageImports: cancel, pause, resume, retry, confirm; Configure: import processes, workflows, keys.
 */
export type Permission = (typeof PERMISSIONS)[number];

export const USER_ROLES = ['administrator', 'operator', 'viewer'] as const;
export type UserRole = (typeof USER_ROLES)[number];

const PERMISSIONS_OF: Readonly<Record<UserRole, readonly Permission[]>> = {
  administrator: PERMISSIONS,
  operator: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports'],
  viewer: ['ViewImports'],
};

/** The permissions of the role. Administrators also see the job dashboard and the configuration pages. */
export const permissionsOf = (role: UserRole): readonly Permission[] => PERMISSIONS_OF[role];

/** The author of a request, after authentication. */
export interface Principal {
  /** Stable and unique, for example `api-key:12` or `user:3`; stored as `created_by` and in logs. */
  id: string;
  /** For display: the name of the key, or the e-mail address of the user. */
  name: string;
  permissions: readonly Permission[];
  /** Import processes the principal may use; `null` means all. */
  importProcessIds: readonly number[] | null;
  /** May see the job dashboard and the configuration pages. */
  administrator: boolean;
  /** Only of a signed-in user: an API key has no account. */
  user?: SignedInUser;
}

export interface SignedInUser {
  id: number;
  role: UserRole;
  /** Of the session of the request. */
  sessionHash: Buffer;
}

/** The principal of a session. */
export function userPrincipal(user: {
  userId: number;
  email: string;
  role: UserRole;
  sessionHash: Buffer;
}): Principal {
  const { userId, email, role, sessionHash } = user;
  return {
    id: `user:${userId}`,
    name: email,
    permissions: permissionsOf(role),
    importProcessIds: null,
    administrator: role === 'administrator',
    user: { id: userId, role, sessionHash },
  };
}
