import type { Principal } from '../auth/principal.js';
import type { ProcessControl } from '../batches/batch-state.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, PinnedConfiguration, TargetConfiguration } from '../records/target.js';

/** An import process as a client sends it. */
export interface ImportProcessInput extends ProcessControl {
  name: string;
  /** Stands for the id; made from the name if it is absent. */
  key?: string | undefined;
  description: string;
  /** For administrators; hidden from users who only import. */
  note: string;
  icon: string;
  displayOrder: number;
  status: 'active' | 'disabled';
  /**
   * How many days the records of an ended batch are kept. Null: the setting of the installation applies; 0: no limit.
   */
  retentionDays: number | null;
  /** One chunk at a time, in line order. */
  ordered: boolean;
  /** Of times without an offset in files; a name of the IANA database. */
  timeZone: string;
  /** Rows without any identifier create something new. */
  allowWithoutIdentifier: boolean;
  target: TargetConfiguration;
  recordSchema: JsonObject | null;
}

/** An import process in its current version. */
export interface ImportProcess extends ImportProcessInput {
  id: number;
  key: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** An import process as one batch uses it: fixed when the batch starts, whatever changes later. */
export interface PinnedImportProcess extends PinnedConfiguration, ProcessControl {
  id: number;
  version: number;
  name: string;
  /** One chunk at a time, in line order. */
  ordered: boolean;
}

/** A pinned import process with the compiled rules of its target. It is cached and shared, so it is immutable. */
export interface CompiledImportProcess {
  pinned: PinnedImportProcess;
  compiled: CompiledTarget;
}

/** The members for users who only import: neither the target of the records nor the administrators' note. */
export type ImportProcessSummary = Omit<
  ImportProcess,
  'note' | 'retentionDays' | 'target' | 'recordSchema' | keyof ProcessControl
>;

/** The import processes that the principal may see, each with the members that the principal may see. */
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
  const { id, key, version, name, description, icon, displayOrder, status, ordered, timeZone } = process;
  const { allowWithoutIdentifier, createdAt, updatedAt } = process;
  return {
    ...{ id, key, version, name, description, icon, displayOrder, status, ordered, timeZone },
    ...{ allowWithoutIdentifier, createdAt, updatedAt },
  };
}

/** A key made from the name: its letters and digits, with hyphens in between. */
export function keyFrom(name: string): string {
  const base = name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-+|-+$/g, '');
  return /[a-z]/.test(base) ? base : `import${base === '' ? '' : `-${base}`}`;
}
