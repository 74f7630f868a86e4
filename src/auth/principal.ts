import type { Permission } from './permissions.js';

/** Whoever makes a request, after authentication. */
export interface Principal {
  /** Stable and unique, for example `api-key:12`; stored as `created_by` and in logs. */
  id: string;
  /** For people, for example the name of the key. */
  name: string;
  permissions: readonly Permission[];
  /** Import processes the principal may use; `null` means all. */
  importProcessIds: readonly number[] | null;
  /** May see the job dashboard and the configuration pages. */
  administrator: boolean;
}
