import {
  copyField,
  type CopyInput,
  integerArray,
  rowsToCopy,
  textArray,
} from '../../platform/database/copy-rows.js';
import type { Sql, Transaction } from '../../platform/database/database.service.js';
import { idOf, type InstanceState, type StoredInstance } from './instance-state.js';
import { attributesText, copyJson } from './log.sql.js';

/*
 * Table `workflow_instance`. `InstanceState` changes the status according to the action's primary:
 *
 *     (none) ──create──▶ incomplete ──completeSuccessfully────▶ completed_successfully
 *                        ▲   │  ▲  └───completeUnsuccessfully──▶ completed_unsuccessfully
 *                        │   └──┘ save, moveToStep                │ (actions of a data import step with
 *                        └──────────────── makeIncomplete ────────┘  `actsOnTerminal` reach these, too)
 *
 * Undoing a creation deletes the row, and undoing that inserts it again under its id.
 */

/** The start of the transaction by the clock of PostgreSQL, as ISO 8601. */
export async function selectNow(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ now: Date }>('SELECT now()');
  const [row] = rows;
  if (row === undefined) throw new Error('PostgreSQL did not return the time');
  return row.now.toISOString();
}

/**
 * Ids for new instances, ascending. The statement names the sequence, because looking up its name for each id took
 * longer than the rest.
 */
export async function allocateInstanceIds(transaction: Transaction, count: number): Promise<number[]> {
  if (count === 0) return [];
  const { rows } = await transaction.query<{ id: number }>(
    `SELECT nextval('workflow_instance_workflow_instance_id_seq') AS id
       FROM generate_series(1, $1)`,
    [count],
  );
  return rows.map(({ id }) => id);
}

/** The number of instances of a workflow. */
export async function countInstances(sql: Sql, workflowId: number): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    'SELECT count(*) AS count FROM workflow_instance WHERE workflow_id = $1',
    [workflowId],
  );
  return rows[0]?.count ?? 0;
}

/** Reads the current instances without a lock: for reading only, because another transaction can change them. */
export async function selectStoredInstances(sql: Sql, ids: readonly number[]): Promise<StoredInstance[]> {
  const { rows } = await sql.query<StoredInstance>(
    `SELECT workflow_instance_id AS id, status, step, attributes
       FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[])`,
    [ids],
  );
  return rows;
}

/**
 * Locks the instances until the end of the transaction, one after the other in the given order, and reads them. All
 * callers pass them in the order of their ids, so that two chunks wait in turn and cannot deadlock.
 */
export async function lockInstances(
  transaction: Transaction,
  ids: readonly number[],
): Promise<StoredInstance[]> {
  const { rows } = await transaction.query<StoredInstance>(
    `SELECT instance.*
       FROM unnest($1::bigint[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id AS id, status, step, attributes FROM workflow_instance
         WHERE workflow_instance_id = wanted.id
           FOR UPDATE
      ) AS instance`,
    [ids],
  );
  return rows;
}

export function instancesToInsert(workflowId: number, instances: readonly InstanceState[]): CopyInput {
  return rowsToCopy(
    'workflow_instance (workflow_instance_id, workflow_id, status, step, attributes)',
    instances,
    (instance) =>
      `${idOf(instance)}\t${workflowId}\t${instance.status}\t${copyField(instance.step)}\t${copyJson(attributesText(instance.attributes))}`,
  );
}

/** The new state of instances, as parameters of the statement; `null` if there are none. */
export type InstanceUpdate = readonly string[] | null;

/** The parts of an instance that its row stores. */
type StoredState = Pick<InstanceState, 'id' | 'status' | 'step' | 'attributes'>;

export function instancesToUpdate(instances: readonly StoredState[]): InstanceUpdate {
  if (instances.length === 0) return null;
  return [
    integerArray(instances.map(idOf)),
    textArray(instances.map(({ status }) => status)),
    textArray(instances.map(({ step }) => step)),
    // JSON text contains no line ends. Joined by line ends, the texts need no escapes for their many quotes.
    instances.map(({ attributes }) => attributesText(attributes)).join('\n'),
  ];
}

/** Updates instances that this transaction has locked. */
export async function updateInstances(transaction: Transaction, update: InstanceUpdate): Promise<void> {
  if (update === null) return;
  await transaction.query(
    `UPDATE workflow_instance i
        SET status = changed.status, step = changed.step, attributes = changed.attributes::jsonb, updated_at = now()
       FROM unnest($1::bigint[], $2::text[], $3::text[], string_to_array($4, E'\\n'))
         AS changed (id, status, step, attributes)
      WHERE i.workflow_instance_id = changed.id`,
    update,
  );
}

/** Deletes instances that this transaction has locked. Their log stays: it says what they were. */
export async function deleteInstances(transaction: Transaction, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await transaction.query('DELETE FROM workflow_instance WHERE workflow_instance_id = ANY ($1::bigint[])', [
    ids,
  ]);
}

/**
 * Inserts deleted instances again, under their ids. Their first log entry has the time of their creation.
 * @throws 23505 if another transaction has inserted one of them
 */
export async function restoreInstances(
  transaction: Transaction,
  workflowId: number,
  instances: readonly StoredState[],
): Promise<void> {
  const restored = instancesToUpdate(instances);
  if (restored === null) return;
  await transaction.query(
    `INSERT INTO workflow_instance (workflow_instance_id, workflow_id, status, step, attributes, created_at)
     SELECT restored.id, $5, restored.status, restored.step, restored.attributes::jsonb,
            coalesce((SELECT logged_at FROM workflow_log
                       WHERE workflow_instance_id = restored.id ORDER BY workflow_log_id LIMIT 1), now())
       FROM unnest($1::bigint[], $2::text[], $3::text[], string_to_array($4, E'\\n'))
         AS restored (id, status, step, attributes)`,
    [...restored, workflowId],
  );
}
