import { PERMISSIONS, type Permission } from '../permissions.js';

export const USER_ROLES = ['administrator', 'operator', 'viewer'] as const;
export type UserRole = (typeof USER_ROLES)[number];

const PERMISSIONS_OF: Readonly<Record<UserRole, readonly Permission[]>> = {
  administrator: PERMISSIONS,
  operator: ['BeginWorkflowImportProcess', 'ViewImports', 'ManageImports'],
  viewer: ['ViewImports'],
};

/** What a person in the role may do. Administrators may besides see the job dashboard and the configuration pages. */
export const permissionsOf = (role: UserRole): readonly Permission[] => PERMISSIONS_OF[role];
