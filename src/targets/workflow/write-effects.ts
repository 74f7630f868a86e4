import type { CopyRows } from '../../database/copy/copy-together.js';
import type { Transaction } from '../../database/transaction.js';
import type { CompiledWorkflowTarget } from '../../workflows/rows/compiled-workflow-target.js';
import { behaviorRow } from './behavior-rows.js';
import { idOf, storedValuesOf, type InstanceState } from './instance-state.js';
import type { Resolution } from './resolve-rows.js';
import { deleteIdentifiers, type FormerIdentifier } from './sql/delete-identifiers.js';
import { behaviorsToInsert } from './sql/insert-behaviors.js';
import { identifiersToInsert } from './sql/insert-identifiers.js';
import { instancesToInsert } from './sql/insert-instances.js';
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
  rows: readonly CopyRows[];
  updates: InstanceUpdate;
}

/**
 * Makes ready what rows came to. New instances have their ids afterwards.
 * @param ids one for each
 */
export function prepareEffects(
  { created, updated, effects, owed }: Resolution,
  { compiled: { workflowId, definition }, batchId, actor }: WritingContext,
  now: string,
  ids: readonly number[],
): PreparedEffects {
  for (const [index, instance] of created.entries()) instance.id = ids[index];
  const origin = { workflow: definition.name, batchId, now };
  return {
    formerIdentifiers: updated.flatMap(formerIdentifiers),
    // What can collide comes first, so that a lost race costs little.
    rows: [
      identifiersToInsert(workflowId, [...created, ...updated]),
      instancesToInsert(workflowId, created),
      logToInsert({ batchId, actor }, effects),
      behaviorsToInsert(
        batchId,
        owed.map((behavior) => behaviorRow(behavior, idOf(behavior.instance), origin)),
      ),
    ],
    updates: instancesToUpdate(updated),
  };
}

/** @throws 23505 when another transaction has given a unique identifier to another instance */
export async function writeEffects(
  effects: PreparedEffects,
  { transaction, compiled: { workflowId } }: WritingContext,
): Promise<void> {
  // Values may change hands: all are taken away first.
  await deleteIdentifiers(transaction, workflowId, effects.formerIdentifiers);
  await transaction.copyTogether(effects.rows);
  await updateInstances(transaction, effects.updates);
}

/** What the instance was found by under the names it has new identifiers for. */
function formerIdentifiers(instance: InstanceState): FormerIdentifier[] {
  return [...instance.newIdentifiers.keys()].flatMap((name) =>
    storedValuesOf(instance.stored, name).map((value) => ({ name, value, instanceId: idOf(instance) })),
  );
}
