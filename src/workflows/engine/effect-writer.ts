import { type BehaviorRow, behaviorsToInsert } from '../../delivery/outbox.sql.js';
import type { CopyInput } from '../../platform/database/copy-rows.js';
import type { Transaction } from '../../platform/database/transaction.js';
import { isEmail } from '../rows/values/text.js';
import type { OwedBehavior } from './behavior-effects.js';
import type { CompiledWorkflowTarget } from './compiled-workflow-target.js';
import { deleteIdentifiers, type FormerIdentifier, identifiersToInsert } from './identifiers.sql.js';
import { idOf, type InstanceState, storedValuesOf } from './instance-state.js';
import {
  instancesToInsert,
  instancesToUpdate,
  type InstanceUpdate,
  updateInstances,
} from './instances.sql.js';
import { logToInsert } from './log.sql.js';
import type { Resolution } from './resolve-rows.js';

export interface BehaviorOrigin {
  workflow: string;
  batchId: number | null;
  /** ISO 8601. */
  now: string;
}

const NOTHING = { subject: null, textBody: null, htmlBody: null, jsonBody: null, secret: null } as const;

/** What is written of a behavior, once its instance has an id. */
export function behaviorRow(behavior: OwedBehavior, instanceId: number, origin: BehaviorOrigin): BehaviorRow {
  const { line, number, action, kind } = behavior;
  const row = { ...NOTHING, instanceId, line, number, action, kind };
  if (behavior.kind === 'webhook') {
    const { url, secret } = behavior;
    const jsonBody = webhookBody(behavior, instanceId, origin);
    return { ...row, recipient: url, secret, jsonBody, status: 'pending', error: null };
  }
  const { recipient, mail } = behavior;
  const { subject, text: textBody, html: htmlBody } = mail;
  const error = addressError(recipient);
  return {
    ...{ ...row, recipient, subject, textBody, htmlBody, error },
    status: error === null ? 'pending' : 'failed',
  };
}

/** Kept as failed, not left out: a mail that nobody could get is something people want to see. */
function addressError(recipient: string): string | null {
  if (recipient === '') return 'the instance has no address to send it to';
  return isEmail(recipient) ? null : 'the instance has something else where its e-mail address should be';
}

/** Put together as text, so that values go out exactly as they are stored. */
function webhookBody(
  { action, line, status, step, attributes, changes }: Extract<OwedBehavior, { kind: 'webhook' }>,
  instanceId: number,
  { workflow, batchId, now }: BehaviorOrigin,
): string {
  const source = { batchId, line: batchId === null ? null : line };
  const head = JSON.stringify({ workflow, action, instanceId, ...source, status, step }).slice(1, -1);
  const timestamp = JSON.stringify(now);
  return `{"type":"workflow.action.performed","timestamp":${timestamp},"data":{${head},"attributes":${attributes},"changes":${changes}}}`;
}

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
  rows: readonly CopyInput[];
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
