import type { JsonValue } from '../../platform/json/json-value.js';
import type {
  ImportRecord,
  PreviewedUndo,
  RecordError,
  UndoOutcome,
  UndoPreviewContext,
} from '../../records/target.js';
import type { InstanceStatus } from '../definition.js';
import { IdentifierReader, type IdentifierValue } from '../rows/row-reader.js';
import { quoted } from '../rows/values/value-type.js';
import type { CompiledWorkflowTarget } from './row-application.js';
import { findCarriers } from './instances.sql.js';
import {
  Attributes,
  type Changes,
  isSameValue,
  STATUS_CHANGE,
  STEP_CHANGE,
  type StoredInstance,
} from './instance-state.js';
import { checkSum, type ReversibleEntry, selectEntriesSince, selectNewestEntries } from './log.sql.js';

/*
 * Undo. Each record of an undo reverts the one log entry that the same line of the undone batch wrote. That entry holds
 * the values before and after, the status and the step; a creation, and only it, derives them (ADR 43). The reverting entry is
 * written the same way, so that it can be undone like any other.
 * Why: ADR 35.
 */

type LoggedChanges = NonNullable<ReversibleEntry['changes']>;
/** An entry that stands in the way of an undo. */
type LaterEntry = Pick<ReversibleEntry, 'batchId' | 'line' | 'actor' | 'loggedAt'>;

/** An instance after the reverts so far. */
class RevertedInstance {
  /** `null`: the instance does not exist. */
  status: InstanceStatus | null;
  step: string | null;
  readonly attributes: Attributes;
  isChanged = false;
  /** Newest first. */
  private readonly entries: ReversibleEntry[];

  constructor(
    readonly id: number,
    readonly stored: StoredInstance | null,
    entries: readonly ReversibleEntry[],
  ) {
    this.status = stored?.status ?? null;
    this.step = stored?.step ?? null;
    this.attributes = new Attributes(stored?.attributes ?? {});
    this.entries = [...entries];
  }

  /**
   * The entry that the record wrote, and the newest entry after it that is still in effect. An entry and the one that
   * reverts it cancel each other out.
   */
  find(batchId: number, line: number) {
    const reverted = new Set<string>();
    let later: LaterEntry | null = null;
    for (const entry of this.entries) {
      const key = `${entry.batchId}/${entry.line}`;
      if (entry.batchId === batchId && entry.line === line) {
        return { entry, later, isReverted: reverted.has(key) };
      }
      if (reverted.has(key)) continue;
      if (entry.undoOf !== null) reverted.add(`${entry.undoOf}/${entry.line}`);
      else later ??= entry;
    }
    return null;
  }

  /** Whether the instance is as the entry left it. Erasure and manual changes write no entry. */
  isAsLeftBy({ changes, created }: { changes: LoggedChanges; created: string | null }): boolean {
    const names = Object.entries(changes);
    // The values of a creation come from the instance itself; only its check sum shows a change without an entry.
    const values = names.map(([name, [before, after]]) => ({ field: name, before, after }));
    if (created !== null && checkSum(values) !== created) return false;
    if (!names.every(([name, [, after]]) => isSameValue(this.value(name), after))) return false;
    const isCreation = changes[STATUS_CHANGE]?.[0] === null;
    const attributes = names.filter(([name, [, after]]) => isAttribute(name) && after !== null);
    return !isCreation || attributes.length === this.attributes.size;
  }

  /** Sets the values before the entry; returns the changes. */
  revert(entry: ReversibleEntry, undo: Pick<ReversibleEntry, 'batchId' | 'undoOf'>): Changes {
    const changes = Object.entries(entry.changes ?? {}).map(([name, [before, after]]) => {
      if (name === STATUS_CHANGE) this.status = before as InstanceStatus | null;
      else if (name === STEP_CHANGE) this.step = before as string | null;
      else if (before === null) this.attributes.delete(name);
      else this.attributes.set(name, before);
      return { field: name, before: after, after: before };
    });
    this.isChanged = true;
    this.entries.unshift({ ...entry, ...undo, changes: null });
    return changes;
  }

  private value(name: string): JsonValue {
    if (name === STATUS_CHANGE) return this.status;
    return name === STEP_CHANGE ? this.step : (this.attributes.get(name) ?? null);
  }
}

function isAttribute(name: string): boolean {
  return name !== STATUS_CHANGE && name !== STEP_CHANGE;
}

/** The identifiers of a workflow, as its definition compares them. */
export class MovableIdentifiers {
  readonly readers: ReadonlyMap<string, IdentifierReader>;

  constructor({ definition }: Pick<CompiledWorkflowTarget, 'definition'>) {
    this.readers = new Map(definition.identifiers.map((each) => [each.name, new IdentifierReader(each)]));
  }

  value(name: string, written: JsonValue | undefined): IdentifierValue | null {
    const reader = this.readers.get(name);
    return reader === undefined || typeof written !== 'string' ? null : reader.identify(written);
  }

  /** The values that a revert of these changes gives back, and those that it takes away. */
  moved(changes: LoggedChanges): { given: IdentifierValue[]; taken: IdentifierValue[] } {
    const given: IdentifierValue[] = [];
    const taken: IdentifierValue[] = [];
    for (const name of this.readers.keys()) {
      const [before, after] = changes[name] ?? [null, null];
      const [former, current] = [this.value(name, before), this.value(name, after)];
      if (former?.key === current?.key) continue;
      if (former !== null) given.push(former);
      if (current !== null) taken.push(current);
    }
    return { given, taken };
  }
}

/** What became of a record, with the effect to write. */
export type Reverted = PreviewedUndo & { effect?: { instance: RevertedInstance; changes: Changes } };

/** Reverts entries one after the other, in memory. */
export class Reversal {
  private readonly identifiers: MovableIdentifiers;
  readonly instances = new Map<number, RevertedInstance>();
  /** The instances that carry a unique value that some record gives back, by its key. */
  private readonly carriers = new Map<string, Set<number>>();
  private readonly newest = new Map<number, LaterEntry>();

  constructor(
    private readonly context: UndoPreviewContext<CompiledWorkflowTarget>,
    /** The undo; `null` for a preview. */
    private readonly batchId: number | null,
  ) {
    this.identifiers = new MovableIdentifiers(context.compiled);
  }

  /** Reads instances with their entries. @param read locks them, or only reads them */
  async load(
    ids: readonly number[],
    read: (ids: readonly number[]) => Promise<StoredInstance[]>,
  ): Promise<ReversibleEntry[]> {
    const { sql, undoneBatchId } = this.context;
    const sorted = [...new Set(ids)].sort((a, b) => a - b);
    const stored = new Map((await read(sorted)).map((instance) => [instance.id, instance]));
    // After the locks, so that it sees the entries of everyone who had them before.
    const entries = await selectEntriesSince(sql, undoneBatchId, sorted);
    const byInstance = Map.groupBy(entries, ({ instanceId }) => instanceId);
    for (const id of sorted) {
      this.instances.set(id, new RevertedInstance(id, stored.get(id) ?? null, byInstance.get(id) ?? []));
    }
    return entries.filter(({ batchId }) => batchId === undoneBatchId);
  }

  /** Looks up who carries the unique values that these entries give back; returns carriers that were not loaded. */
  async loadCarriers(entries: readonly ReversibleEntry[]): Promise<number[]> {
    const { sql, compiled } = this.context;
    const given = entries
      .flatMap(({ changes }) => this.identifiers.moved(changes ?? {}).given)
      .filter(({ unique }) => unique);
    if (given.length === 0) return [];
    const found = await findCarriers(
      sql,
      compiled.workflowId,
      given.map(({ name }) => name),
      given.map(({ value }) => value),
    );
    const others = new Set<number>();
    for (const { key } of given) if (!this.carriers.has(key)) this.carriers.set(key, new Set());
    for (const [index, instanceId] of found.ids.entries()) {
      this.carriers.get(given[(found.places[index] ?? 0) - 1]?.key ?? '')?.add(instanceId);
      if (!this.instances.has(instanceId)) others.add(instanceId);
    }
    if (others.size > 0) {
      for (const entry of await selectNewestEntries(sql, [...others]))
        this.newest.set(entry.instanceId, entry);
    }
    return [...others];
  }

  revert({ line, reference = null }: Pick<ImportRecord, 'line' | 'reference'>): Reverted {
    const { undoneBatchId } = this.context;
    const instance = this.instances.get(Number(reference));
    const found = instance?.find(undoneBatchId, line);
    if (instance === undefined || found == null) return notReverted(line, reference, NOT_LOGGED);
    const { entry, later, isReverted } = found;
    const changes = entry.changes ?? {};
    if (isReverted) return { line, status: 'succeeded', operation: 'unchanged', reference };
    if (later !== null) return kept(line, reference, changedBy(later));
    if (!instance.isAsLeftBy({ changes, created: entry.created }))
      return kept(line, reference, CHANGED_WITHOUT_ENTRY);
    const { given, taken } = this.identifiers.moved(changes);
    for (const identifier of given) {
      const other = [...(this.carriers.get(identifier.key) ?? [])].find((id) => id !== instance.id);
      if (identifier.unique && other !== undefined) {
        return kept(line, reference, takenBy(identifier, other, this.newest.get(other)));
      }
    }
    for (const { key } of taken) this.carriers.get(key)?.delete(instance.id);
    for (const { key } of given) this.carriers.get(key)?.add(instance.id);
    const reverted = instance.revert(entry, { batchId: this.batchId, undoOf: undoneBatchId });
    return {
      ...{ line, status: 'succeeded', operation: 'reverted', reference },
      changes: reverted,
      effect: { instance, changes: reverted },
    };
  }

  /** The values that an instance no longer carries, and those that it carries again. */
  movedBy({ stored, attributes, status }: RevertedInstance): {
    former: string[];
    given: IdentifierValue[];
  } {
    const former: string[] = [];
    const given: IdentifierValue[] = [];
    for (const name of this.identifiers.readers.keys()) {
      const before = this.identifiers.value(name, stored?.attributes[name]);
      const after = status === null ? null : this.identifiers.value(name, attributes.get(name));
      if (before?.key === after?.key) continue;
      if (before !== null) former.push(name);
      if (after !== null) given.push(after);
    }
    return { former, given };
  }
}

export const NOT_LOGGED: RecordError = {
  code: 'not_logged',
  message: 'the log does not say what the record changed: it was erased, or the instance was',
};

const CHANGED_WITHOUT_ENTRY: RecordError = {
  code: 'changed_since',
  message:
    'it has other values than this import gave it, although the log has no later change; it stays as it is',
};

function changedBy(later: LaterEntry): RecordError {
  return { code: 'changed_since', message: `changed ${byWhom(later)}; it stays as it is` };
}

function takenBy(
  { name, written }: IdentifierValue,
  id: number,
  newest: LaterEntry | undefined,
): RecordError {
  const when = newest === undefined ? '' : `, last changed ${byWhom(newest)}`;
  const message = `${name} ${quoted(written)} now belongs to instance ${id}${when}; this one stays as it is`;
  return { code: 'changed_since', message };
}

function byWhom({ actor, loggedAt, batchId, line }: LaterEntry): string {
  const how = batchId === null ? '' : ` (batch ${batchId}, line ${line})`;
  return `by ${actor} at ${loggedAt.toISOString()}${how}`;
}

function kept(line: number, reference: string | null, error: RecordError): UndoOutcome {
  return { line, status: 'skipped', operation: 'kept', reference, error };
}

/** The outcome of a record that cannot be undone. */
export function notReverted(line: number, reference: string | null, error: RecordError): UndoOutcome {
  return { line, status: 'failed', operation: 'rejected', reference, error };
}
