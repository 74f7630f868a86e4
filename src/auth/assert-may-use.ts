import { importProcessNotAllowed } from './auth.errors.js';
import type { Principal } from './principal.js';

/** @throws DomainError 403 `import_process_not_allowed` when the principal is limited to other import processes */
export function assertMayUse(principal: Pick<Principal, 'importProcessIds'>, importProcessId: number): void {
  const { importProcessIds } = principal;
  if (importProcessIds !== null && !importProcessIds.includes(importProcessId)) {
    throw importProcessNotAllowed(importProcessId);
  }
}
