import type { Permission } from './permissions.js';
import type { UserRole } from './users/user-role.js';

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
