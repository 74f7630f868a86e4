import type { Transaction } from '../../platform/database/database.service.js';
import { isDataError, isUniqueViolation } from '../../platform/database/postgres-errors.js';
import type {
  ImportRecord,
  PreviewedUndo,
  UndoContext,
  UndoOutcome,
  UndoPreviewContext,
} from '../../records/target.js';
import type { InstanceStatus } from '../definition.js';
import type { IdentifierValue } from '../rows/row-reader.js';
import { type Attributes, storedValuesOf } from './instance-state.js';
import {
  deleteIdentifiers,
  deleteInstances,
  type FormerIdentifier,
  identifiersToInsert,
  instancesToUpdate,
  lockInstances,
  restoreInstances,
  selectInstances,
  updateInstances,
} from './instances.sql.js';
import { logToInsert, selectChangesOf } from './log.sql.js';
import { refusedByDatabase } from './resolve-rows.js';
import { MovableIdentifiers, NOT_LOGGED, notReverted, Reversal, type Reverted } from './reversal.js';
import type { CompiledWorkflowTarget } from './row-application.js';

/** The name of the action in the log. */
const UNDO_ACTION = 'Undo';
/** How many times records look again because another transaction took an identifier meanwhile. */
const LONGEST_RACE = 5;

/** Reverts the records of one chunk of an undo, inside the transaction of the chunk. */
export class RowReversal {
  constructor(private readonly context: UndoContext<CompiledWorkflowTarget>) {}

  /**
   * Returns one outcome per record. As in `RowApplication`, halving isolates a record that PostgreSQL refuses, and
   * another attempt follows when another transaction took an identifier meanwhile: it then finds the identifier taken.
   */
  async apply(records: readonly ImportRecord[]): Promise<UndoOutcome[]> {
    if (records.length === 0) return [];
    try {
      return await this.applyTogether(records);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = records;
      if (records.length === 1 && only !== undefined) {
        return [notReverted(only.line, only.reference ?? null, refusedByDatabase(only.line, error).error)];
      }
      const half = records.length >> 1;
      const first = await this.apply(records.slice(0, half));
      return [...first, ...(await this.apply(records.slice(half)))];
    }
  }

  private async applyTogether(records: readonly ImportRecord[]): Promise<UndoOutcome[]> {
    const { transaction } = this.context;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await transaction.savepoint(() => this.attempt(records));
      } catch (error) {
        if (!isUniqueViolation(error) || attempt === LONGEST_RACE) throw error;
      }
    }
  }

  private async attempt(records: readonly ImportRecord[]): Promise<UndoOutcome[]> {
    const { transaction, compiled, undoneBatchId, batchId } = this.context;
    const reversal = new Reversal({ sql: transaction, compiled, undoneBatchId }, batchId);
    const entries = await reversal.load(idsOf(records), (ids) => lockInstances(transaction, ids));
    const lines = new Set(records.map(({ line }) => line));
    await reversal.loadCarriers(entries.filter(({ line }) => line !== null && lines.has(line)));
    const reverted = records.map((record) => reversal.revert(record));
    await this.write(transaction, reversal, reverted);
    return reverted.map(({ effect: _, changes: __, ...outcome }) => outcome);
  }

  private async write(
    transaction: Transaction,
    reversal: Reversal,
    reverted: readonly Reverted[],
  ): Promise<void> {
    const { workflowId } = this.context.compiled;
    const formers: FormerIdentifier[] = [];
    const carrying: { id: number; newIdentifiers: readonly IdentifierValue[] }[] = [];
    const deleted: number[] = [];
    const existing: {
      id: number;
      status: InstanceStatus;
      step: string | null;
      attributes: Attributes;
    }[] = [];
    const restored: typeof existing = [];
    for (const instance of reversal.instances.values()) {
      const { id, stored, status, step, attributes } = instance;
      if (!instance.isChanged) continue;
      const { former, given } = reversal.movedBy(instance);
      for (const name of former) {
        for (const value of storedValuesOf(stored, name)) formers.push({ name, value, instanceId: id });
      }
      if (given.length > 0) carrying.push({ id, newIdentifiers: given });
      if (status !== null) (stored === null ? restored : existing).push({ id, status, step, attributes });
      else if (stored !== null) deleted.push(id);
    }
    // Values can move between instances, so all former values are deleted first.
    await deleteIdentifiers(transaction, workflowId, formers);
    await deleteInstances(transaction, deleted);
    await restoreInstances(transaction, workflowId, restored);
    const rows = await Promise.all([
      identifiersToInsert(workflowId, carrying),
      logToInsert(
        this.context,
        reverted.flatMap(({ line, effect }) =>
          effect === undefined ? [] : [{ line, action: UNDO_ACTION, ...effect }],
        ),
      ),
    ]);
    await transaction.copyTogether(rows);
    await updateInstances(transaction, await instancesToUpdate(existing));
  }
}

/**
 * What an undo would do to these records. It reverts the later entries of the batch first, as the undo does, also those
 * of records that were not asked for.
 */
export async function previewReversal(
  records: readonly ImportRecord[],
  context: UndoPreviewContext<CompiledWorkflowTarget>,
): Promise<PreviewedUndo[]> {
  const reversal = new Reversal(context, null);
  const read = (ids: readonly number[]) => selectInstances(context.sql, ids);
  let entries = await reversal.load(idsOf(records), read);
  // An instance that carries a value now may give it back in the same undo.
  const others = await reversal.loadCarriers(entries);
  if (others.length > 0) entries = [...entries, ...(await reversal.load(others, read))];
  entries.sort((a, b) => b.id - a.id);
  const outcomes = new Map<number, PreviewedUndo>();
  for (const { line, instanceId } of entries) {
    if (line === null) continue;
    const { effect: _, ...outcome } = reversal.revert({ line, reference: String(instanceId) });
    outcomes.set(line, outcome);
  }
  return records.map(
    ({ line, reference = null }) => outcomes.get(line) ?? notReverted(line, reference, NOT_LOGGED),
  );
}

/** The instance of each record and the identifiers that its revert moves, as ordering keys. */
export async function reversalKeys(
  records: readonly ImportRecord[],
  { sql, compiled, undoneBatchId }: UndoPreviewContext<CompiledWorkflowTarget>,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const identifiers = new MovableIdentifiers(compiled);
  const keys = new Map<number, string[]>();
  const known = records.filter(({ reference }) => isId(reference));
  for (const { line, reference } of known) keys.set(line, [`#${reference}`]);
  const changed = await selectChangesOf(
    sql,
    undoneBatchId,
    idsOf(known),
    known.map(({ line }) => line),
  );
  for (const { line, changes } of changed) {
    const { given, taken } = identifiers.moved(changes);
    keys.get(line)?.push(...[...given, ...taken].map(({ key }) => key));
  }
  return keys;
}

function isId(reference: string | null | undefined): reference is string {
  return reference != null && /^\d{1,15}$/.test(reference);
}

function idsOf(records: readonly ImportRecord[]): number[] {
  return records.flatMap(({ reference }) => (isId(reference) ? [Number(reference)] : []));
}
