import type { Transaction } from '../../database/transaction.js';
import type { CompiledWorkflowTarget } from '../../workflows/rows/compiled-workflow-target.js';
import { behaviorRow } from './behavior-rows.js';
import { storedValuesOf, type InstanceState } from './instance-state.js';
import type { Resolution } from './resolve-rows.js';
import { allocateInstanceIds } from './sql/allocate-instance-ids.js';
import { copyRows, type CopyRows } from './sql/copy-rows.js';
import { deleteIdentifiers, type FormerIdentifier } from './sql/delete-identifiers.js';
import { behaviorsToInsert } from './sql/insert-behaviors.js';
import { identifiersToInsert, type IdentifierRow } from './sql/insert-identifiers.js';
import { instancesToInsert, type IdentifiedInstance } from './sql/insert-instances.js';
import { logToInsert } from './sql/insert-log.js';
import { instancesToUpdate, updateInstances, type InstanceUpdate } from './sql/update-instances.js';

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

/** What is to be written of rows, in the form in which it goes to PostgreSQL. */
export interface PreparedEffects {
  formerIdentifiers: readonly FormerIdentifier[];
  identifiers: CopyRows;
  instances: CopyRows;
  updates: InstanceUpdate;
  log: CopyRows;
  behaviors: CopyRows;
}

/** Makes ready what rows came to. New instances have their ids afterwards. */
export async function prepareEffects(
  { created, updated, effects, owed }: Resolution,
  { transaction, compiled: { workflowId, definition }, batchId, actor }: WritingContext,
  now: string,
): Promise<PreparedEffects> {
  await giveIds(created, (count) => allocateInstanceIds(transaction, count));
  const origin = { workflow: definition.name, batchId, now };
  return {
    formerIdentifiers: updated.flatMap(formerIdentifiers),
    identifiers: identifiersToInsert(workflowId, [...created, ...updated].flatMap(newIdentifiers)),
    instances: instancesToInsert(workflowId, created.map(identified)),
    updates: instancesToUpdate(updated.map(identified)),
    log: logToInsert(
      { batchId, actor },
      effects.map(({ instance, ...effect }) => ({ ...effect, instanceId: idOf(instance) })),
    ),
    behaviors: behaviorsToInsert(
      batchId,
      owed.map((behavior) => behaviorRow(behavior, idOf(behavior.instance), origin)),
    ),
  };
}

/** @throws 23505 when another transaction has given a unique identifier to another instance */
export async function writeEffects(
  effects: PreparedEffects,
  { transaction, compiled: { workflowId } }: WritingContext,
): Promise<void> {
  // What can collide comes first, so that a lost race costs little. Values may change hands: all are taken away first.
  await deleteIdentifiers(transaction, workflowId, effects.formerIdentifiers);
  await copyRows(transaction, effects.identifiers);
  await copyRows(transaction, effects.instances);
  await updateInstances(transaction, effects.updates);
  await copyRows(transaction, effects.log);
  await copyRows(transaction, effects.behaviors);
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

function identified(instance: InstanceState): IdentifiedInstance {
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
