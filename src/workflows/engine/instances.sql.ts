import { holdLock } from '../../platform/database/advisory-locks.js';
import {
  copyField,
  type CopyInput,
  integerArray,
  readIntegerArray,
  rowsToCopy,
  textArray,
} from '../../platform/database/copy-rows.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { Sql, Transaction } from '../../platform/database/database.service.js';
import { attributesText } from '../../platform/json/json-value.js';
import type { WorkflowDefinition } from '../definition.js';
import { identifierKey, type IdentifierValue, type ParsedRow } from '../rows/row-reader.js';
import {
  decidingIdentifiers,
  hasSharedOnly,
  idOf,
  type InstanceState,
  isCrowd,
  isFoundBy,
  MOST_CARRIERS,
  type StoredInstance,
} from './instance-state.js';
import { copyJson } from './log.sql.js';
import type { Match, ResolutionRules } from './resolve-rows.js';

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

export function instancesToInsert(
  workflowId: number,
  instances: readonly InstanceState[],
): Promise<CopyInput> {
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

export async function instancesToUpdate(instances: readonly StoredState[]): Promise<InstanceUpdate> {
  if (instances.length === 0) return null;
  const turn = new EventLoopTurn();
  const texts: string[] = [];
  for (const { attributes } of instances) {
    if (turn.isOver) await turn.next();
    texts.push(attributesText(attributes));
  }
  return [
    integerArray(instances.map(idOf)),
    textArray(instances.map(({ status }) => status)),
    textArray(instances.map(({ step }) => step)),
    // JSON text contains no line ends. Joined by line ends, the texts need no escapes for their many quotes.
    texts.join('\n'),
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
  const restored = await instancesToUpdate(instances);
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

/*
 * Table `workflow_identifier`: the identifiers that find instances. One row per instance and identifier:
 *
 *     (none) ──a row creates the instance, or gives it the identifier──▶ carried ──a row gives another value──▶ (none)
 *
 * The key is (workflow, name, value, distinguisher). The distinguisher is 0 for unique identifiers, so that the index
 * refuses a second carrier (23505), and the instance id for shared ones.
 */

/** `normalForm` in SQL. */
export function normalFormSql(expression: string): string {
  return `normalize(btrim(${expression}, U&'${INVISIBLE}'), NFC)`;
}

/** White space and invisible characters, as `trimEnds` removes them. */
const INVISIBLE = [
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85, 0xa0, 0xad, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x200b, 0x200c, 0x200d, 0x2028, 0x2029, 0x202f, 0x205f, 0x2060, 0x3000, 0xfeff],
]
  .map((code) => `\\${code.toString(16).padStart(4, '0')}`)
  .join('');

export interface Carrier {
  /** 1-based place of the value in the list. */
  place: number;
  instanceId: number;
}

/**
 * Finds the instances that carry these identifiers; `names[i]` belongs to `values[i]`. The limit also keeps the planner
 * at one index look-up per value. Without it, the planner's estimates for a table that has just grown would make it
 * read the whole table for every chunk.
 */
export async function findCarriers(
  sql: Sql,
  workflowId: number,
  names: readonly string[],
  values: readonly string[],
): Promise<Carrier[]> {
  // As two texts: the driver would take longer to read a row for each than PostgreSQL does to find it.
  const { rows } = await sql.query<{ places: string | null; ids: string | null }>(
    `SELECT array_agg(wanted.place)::text AS places, array_agg(carrier.workflow_instance_id)::text AS ids
       FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (name, value, place)
      CROSS JOIN LATERAL (
        SELECT workflow_instance_id FROM workflow_identifier
         WHERE workflow_id = $1 AND name = wanted.name COLLATE "C" AND value = wanted.value COLLATE "C"
         LIMIT $4
      ) AS carrier`,
    [workflowId, textArray(names), textArray(values), MOST_CARRIERS + 1],
  );
  const { places = null, ids = null } = rows[0] ?? {};
  const instanceIds = readIntegerArray(ids);
  return readIntegerArray(places).map((place, index) => ({ place, instanceId: instanceIds[index] ?? 0 }));
}

/**
 * Lets only one transaction at a time assign values that several instances of the workflow can carry. No index refuses
 * a second instance with such a value, so two chunks that look at the same time would both find nothing and both create
 * an instance.
 */
function lockSharedValues(transaction: Transaction, workflowId: number): Promise<void> {
  return holdLock(transaction, 'sharedValues', workflowId);
}

interface IdentifierRow {
  identifier: IdentifierValue;
  instanceId: number;
}

/**
 * The new identifiers of the instances, in the same order for all chunks: two chunks that insert the same values then
 * wait in turn and cannot deadlock.
 * Writing them throws 23505 when another transaction has given a unique value to another instance.
 */
export function identifiersToInsert(
  workflowId: number,
  instances: readonly Pick<InstanceState, 'id' | 'newIdentifiers'>[],
): Promise<CopyInput> {
  const rows: IdentifierRow[] = [];
  for (const instance of instances) {
    const instanceId = idOf(instance);
    for (const identifier of instance.newIdentifiers) rows.push({ identifier, instanceId });
  }
  rows.sort((a, b) => byNameAndValue(a.identifier, b.identifier));
  return rowsToCopy(
    'workflow_identifier (workflow_id, name, value, distinguisher, workflow_instance_id)',
    rows,
    ({ identifier: { name, value, unique }, instanceId }) =>
      `${workflowId}\t${copyField(name)}\t${copyField(value)}\t${unique ? 0 : instanceId}\t${instanceId}`,
  );
}

function byNameAndValue(a: IdentifierValue, b: IdentifierValue): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

export interface FormerIdentifier {
  name: string;
  value: string;
  instanceId: number;
}

/** Takes values away from instances; skips values that an instance does not carry. */
export async function deleteIdentifiers(
  transaction: Transaction,
  workflowId: number,
  identifiers: readonly FormerIdentifier[],
): Promise<void> {
  if (identifiers.length === 0) return;
  await transaction.query(
    `DELETE FROM workflow_identifier i
      USING unnest($2::text[], $3::text[], $4::bigint[]) AS former (name, value, instance_id)
      WHERE i.workflow_id = $1 AND i.name = former.name COLLATE "C" AND i.value = former.value COLLATE "C"
        AND i.workflow_instance_id = former.instance_id`,
    [
      workflowId,
      textArray(identifiers.map(({ name }) => name)),
      textArray(identifiers.map(({ value }) => value)),
      integerArray(identifiers.map(({ instanceId }) => instanceId)),
    ],
  );
}

/** The given identifiers that any instance of the workflow has. */
export async function selectUsedIdentifiers(
  sql: Sql,
  workflowId: number,
  names: readonly string[],
): Promise<string[]> {
  const { rows } = await sql.query<{ name: string }>(
    `SELECT name FROM unnest($2::text[]) AS asked (name)
      WHERE EXISTS (SELECT FROM workflow_identifier i
                     WHERE i.workflow_id = $1 AND i.name = asked.name COLLATE "C")`,
    [workflowId, names],
  );
  return rows.map(({ name }) => name);
}

/** How many times identifiers can move to other instances while we wait for the locks of their former carriers. */
const MOST_LOOKS = 5;

/** The instances that rows find. `chosen`: the instance chosen by its id, if any. */
export interface Matches {
  matches: Match[];
  chosen: StoredInstance | null;
}

export interface MatchOptions {
  /** Another instance to lock together with those that the rows find. */
  chosenId?: number | undefined;
  /** Whether a row that finds nothing creates an instance. */
  mayCreate: boolean;
}

/** The instances that the rows find, locked until this transaction ends. */
export async function findMatches(
  transaction: Transaction,
  workflowId: number,
  rows: readonly ParsedRow[],
  { chosenId, mayCreate }: MatchOptions,
): Promise<Matches> {
  const identifiers = rows.flatMap(decidingIdentifiers);
  if (identifiers.length === 0 && chosenId === undefined) return { matches: [], chosen: null };
  let found = await findIdentifiers(transaction, workflowId, identifiers);
  const foundNothing = (row: ParsedRow) =>
    row.identifiers.length > 1 || row.identifiers.some((identifier) => !found.has(identifier));
  if (mayCreate && rows.some((row) => hasSharedOnly(row) && foundNothing(row))) {
    await lockSharedValues(transaction, workflowId);
    found = await findIdentifiers(transaction, workflowId, identifiers);
  }
  for (let look = 1; ; look += 1) {
    const { moved, ...locked } = await readCarriers(found, chosenId, (each) =>
      lockInstances(transaction, each),
    );
    if (!moved || look === MOST_LOOKS) return locked;
    found = await findIdentifiers(transaction, workflowId, identifiers);
  }
}

/** The instances that the rows currently find, without locks. */
export async function lookUpMatches(
  sql: Sql,
  workflowId: number,
  rows: readonly ParsedRow[],
): Promise<Match[]> {
  const identifiers = rows.flatMap(decidingIdentifiers);
  if (identifiers.length === 0) return [];
  const found = await findIdentifiers(sql, workflowId, identifiers);
  const { matches } = await readCarriers(found, undefined, (ids) => selectStoredInstances(sql, ids));
  return matches;
}

/** The ids of the carriers of each identifier. */
type Found = ReadonlyMap<IdentifierValue, readonly number[]>;

async function findIdentifiers(
  sql: Sql,
  workflowId: number,
  identifiers: readonly IdentifierValue[],
): Promise<Found> {
  const carriers = await findCarriers(
    sql,
    workflowId,
    identifiers.map(({ name }) => name),
    identifiers.map(({ value }) => value),
  );
  const found = new Map<IdentifierValue, number[]>();
  for (const { place, instanceId } of carriers) {
    const identifier = identifiers[place - 1];
    if (identifier === undefined) continue;
    const ids = found.get(identifier);
    if (ids === undefined) found.set(identifier, [instanceId]);
    else ids.push(instanceId);
  }
  return found;
}

async function readCarriers(
  found: Found,
  chosenId: number | undefined,
  read: (ids: readonly number[]) => Promise<StoredInstance[]>,
): Promise<Matches & { moved: boolean }> {
  if (found.size === 0 && chosenId === undefined) return { matches: [], chosen: null, moved: false };
  const known = [...found.values()].filter((carriers) => !isCrowd(carriers)).flat();
  if (chosenId !== undefined) known.push(chosenId);
  const ids = [...new Set(known)].sort((a, b) => a - b);
  const instances = new Map((await read(ids)).map((instance) => [instance.id, instance]));
  const matches: Match[] = [];
  let moved = false;
  for (const [{ name, value, key }, carriers] of found) {
    if (isCrowd(carriers)) {
      matches.push({ name, value, key, instance: null });
      continue;
    }
    for (const id of carriers) {
      const instance = instances.get(id);
      if (instance !== undefined && isFoundBy(instance, name, value)) {
        matches.push({ name, value, key, instance });
      } else {
        moved = true;
      }
    }
  }
  const chosen = chosenId === undefined ? null : (instances.get(chosenId) ?? null);
  return { matches, chosen, moved };
}

/**
 * The other ordering keys of the instances that rows have found. An earlier row of the batch can name one of them by an
 * identifier that these rows do not have.
 */
export function otherOrderingKeys(
  matches: readonly Match[],
  fold: ResolutionRules['fold'],
  { identifiers }: Pick<WorkflowDefinition, 'identifiers'>,
): string[] {
  const foundBy = new Set<string>();
  const instances = new Set<StoredInstance>();
  for (const { key, instance } of matches) {
    foundBy.add(key);
    if (instance !== null) instances.add(instance);
  }
  const others: string[] = [];
  for (const { attributes } of instances) {
    for (const { name } of identifiers) {
      const written = attributes[name];
      if (typeof written !== 'string') continue;
      const key = identifierKey(name, fold(name, written));
      if (!foundBy.has(key)) others.push(key);
    }
  }
  return others;
}
