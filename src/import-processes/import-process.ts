import type { Principal } from '../auth/principal.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, PinnedConfiguration, TargetConfiguration } from '../records/target.js';

/** What a person or program says of an import process when it is saved. */
export interface ImportProcessInput {
  name: string;
  description: string;
  /** For administrators; not shown to those who only import. */
  note: string;
  icon: string;
  displayOrder: number;
  status: 'active' | 'disabled';
  /** Days for which the records of an ended batch are kept; null: as the installation says, 0: for ever. */
  retentionDays: number | null;
  /** One chunk at a time, in line order. */
  ordered: boolean;
  target: TargetConfiguration;
  recordSchema: JsonObject | null;
}

/** An import process in its current version. */
export interface ImportProcess extends ImportProcessInput {
  id: number;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** An import process as one batch uses it: fixed at the batch's start, whatever is changed later. */
export interface PinnedImportProcess extends PinnedConfiguration {
  id: number;
  version: number;
  name: string;
  /** One chunk at a time, in line order. */
  ordered: boolean;
}

/** A pinned import process, its target's rules made ready for many rows. Cached and shared: immutable. */
export interface CompiledImportProcess {
  pinned: PinnedImportProcess;
  compiled: CompiledTarget;
}

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
