import type { Transaction } from '../../database/transaction.js';
import type { CompiledWorkflowTarget } from '../../workflows/rows/compiled-workflow-target.js';
import { behaviorRow } from './behavior-rows.js';
import { storedValuesOf, type InstanceState } from './instance-state.js';
import type { Resolution } from './resolve-rows.js';
import { allocateInstanceIds } from './sql/allocate-instance-ids.js';
import { insertBehaviors } from './sql/insert-behaviors.js';
import { deleteIdentifiers, type FormerIdentifier } from './sql/delete-identifiers.js';
import { insertIdentifiers, type IdentifierRow } from './sql/insert-identifiers.js';
import { insertInstances, type InstanceRow } from './sql/insert-instances.js';
import { insertLog } from './sql/insert-log.js';
import { updateInstances } from './sql/update-instances.js';

/** Where effects come from, as the log tells it. */
export interface EffectOrigin {
  /** `null` for what was not imported; it then comes from no line either. */
  batchId: number | null;
  actor: string;
}

interface WritingContext extends EffectOrigin {
  transaction: Transaction;
  compiled: CompiledWorkflowTarget;
}

/**
 * Writes what rows came to. New instances have their ids afterwards.
 * @throws 23505 when another transaction has given a unique identifier to another instance
 */
export async function writeEffects(
  { created, updated, effects, owed }: Resolution,
  { transaction, compiled: { workflowId, definition }, batchId, actor }: WritingContext,
  now: string,
): Promise<void> {
  await giveIds(created, (count) => allocateInstanceIds(transaction, count));
  // What can collide comes first, so that a lost race costs little. Values may change hands: all are taken away first.
  await deleteIdentifiers(transaction, workflowId, updated.flatMap(formerIdentifiers));
  await insertIdentifiers(transaction, workflowId, [...created, ...updated].flatMap(newIdentifiers));
  await insertInstances(transaction, workflowId, created.map(toRow));
  await updateInstances(transaction, updated.map(toRow));
  await insertLog(
    transaction,
    { batchId, actor },
    effects.map(({ instance, ...effect }) => ({ ...effect, instanceId: idOf(instance) })),
  );
  const origin = { workflow: definition.name, batchId, now };
  await insertBehaviors(
    transaction,
    batchId,
    owed.map((behavior) => behaviorRow(behavior, idOf(behavior.instance), origin)),
  );
}

async function giveIds(
  created: readonly InstanceState[],
  allocate: (count: number) => Promise<number[]>,
): Promise<void> {
  if (created.length === 0) return;
  const ids = await allocate(created.length);
  for (const [index, instance] of created.entries()) instance.id = ids[index];
}

function idOf({ id }: InstanceState): number {
  if (id === undefined) throw new Error('an instance was given no id');
  return id;
}

function toRow(instance: InstanceState): InstanceRow {
  const { status, step, attributes } = instance;
  return { id: idOf(instance), status, step, attributes };
}

function newIdentifiers(instance: InstanceState): IdentifierRow[] {
  return [...instance.newIdentifiers.values()].map(({ name, value, unique }) => ({
    name,
    value,
    unique,
    instanceId: idOf(instance),
  }));
}

/** What the instance was found by under the names it has new identifiers for. */
function formerIdentifiers(instance: InstanceState): FormerIdentifier[] {
  return [...instance.newIdentifiers.keys()].flatMap((name) =>
    storedValuesOf(instance.stored, name).map((value) => ({ name, value, instanceId: idOf(instance) })),
  );
}
