import type { Principal } from '../auth/principal.js';
import type { ImportProcess } from './import-process.js';

/** What those see who may only import: nothing of where records go or what administrators noted. */
export type ImportProcessSummary = Omit<ImportProcess, 'note' | 'retentionDays' | 'target' | 'recordSchema'>;

/** The import processes the principal may see, each as far as it may see it. */
export function visibleTo(
  principal: Pick<Principal, 'permissions' | 'importProcessIds'>,
  processes: readonly ImportProcess[],
): (ImportProcess | ImportProcessSummary)[] {
  const { permissions, importProcessIds } = principal;
  const allowed = processes.filter(({ id }) => importProcessIds === null || importProcessIds.includes(id));
  if (permissions.includes('Configure')) return allowed;
  return allowed.filter(({ status }) => status === 'active').map(summaryOf);
}

function summaryOf(process: ImportProcess): ImportProcessSummary {
  const { id, version, name, description, icon, displayOrder, status, ordered, createdAt, updatedAt } =
    process;
  return { id, version, name, description, icon, displayOrder, status, ordered, createdAt, updatedAt };
}
