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

/** The outbox row of a behavior, once its instance has an id. */
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

/** A mail without a usable address is stored as failed instead of omitted, so that people see it. */
function addressError(recipient: string): string | null {
  if (recipient === '') return 'the instance has no address to send it to';
  return isEmail(recipient)
    ? null
    : 'the value where the instance should have its e-mail address is not an address';
}

/** Built as text, so that values are sent exactly as they are stored. */
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

/** The origin of effects, as the log records it. */
export interface EffectOrigin {
  /** `null` for effects without an import; they have no line either. */
  batchId: number | null;
  actor: string;
}

interface WritingContext extends EffectOrigin {
  transaction: Transaction;
  compiled: CompiledWorkflowTarget;
}

/** The effects of rows, in the form in which they are sent to PostgreSQL. */
export interface PreparedEffects {
  formerIdentifiers: readonly FormerIdentifier[];
  rows: readonly CopyInput[];
  updates: InstanceUpdate;
}

/**
 * Prepares the effects of rows and gives new instances their ids.
 * @param ids one for each new instance
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
    // Rows that can collide come first, so that a lost race costs little.
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
  // Values can move between instances: all are taken away first.
  await deleteIdentifiers(transaction, workflowId, effects.formerIdentifiers);
  await transaction.copyTogether(effects.rows);
  await updateInstances(transaction, effects.updates);
}

/** The former values of identifiers that get a new value. */
function formerIdentifiers(instance: InstanceState): FormerIdentifier[] {
  return [...instance.newIdentifiers.keys()].flatMap((name) =>
    storedValuesOf(instance.stored, name).map((value) => ({ name, value, instanceId: idOf(instance) })),
  );
}
