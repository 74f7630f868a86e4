import type { Principal } from '../principal.js';
import { permissionsOf, type UserRole } from './user-role.js';

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
