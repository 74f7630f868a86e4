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

/** What a person in the role may do. Administrators may besides see the job dashboard and the configuration pages. */
export const permissionsOf = (role: UserRole): readonly Permission[] => PERMISSIONS_OF[role];

/** Whoever makes a request, after authentication. */
export interface Principal {
  /** Stable and unique, for example `api-key:12` or `user:3`; stored as `created_by` and in logs. */
  id: string;
  /** For people: the name of the key, or the person's e-mail address. */
  name: string;
  permissions: readonly Permission[];
  /** Import processes the principal may use; `null` means all. */
  importProcessIds: readonly number[] | null;
  /** May see the job dashboard and the configuration pages. */
  administrator: boolean;
  /** Only of a person who is signed in: an API key has no account to look after. */
  user?: SignedInUser;
}

export interface SignedInUser {
  id: number;
  role: UserRole;
  /** Of the session the request came with. */
  sessionHash: Buffer;
}

/** A person with a session, as the rest of the application sees whoever makes a request. */
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
