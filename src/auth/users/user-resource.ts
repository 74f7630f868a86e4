import type { UserRole } from './user-role.js';

/** A user as pages show it: never the password, nor its hash. */
export interface UserResource {
  id: number;
  email: string;
  role: UserRole;
  enabled: boolean;
  createdBy: string;
  createdAt: Date;
  lastSignedInAt: Date | null;
}
