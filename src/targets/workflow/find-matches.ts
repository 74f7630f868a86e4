import type { Sql, Transaction } from '../../database/transaction.js';
import type { IdentifierValue, ParsedRow } from '../../workflows/rows/parsed-row.js';
import { type StoredInstance, storedValuesOf } from './instance-state.js';
import type { Match } from './resolve-rows.js';
import { findCarriers } from './sql/find-carriers.js';
import { lockInstances } from './sql/lock-instances.js';
import { lockSharedValues } from './sql/lock-shared-values.js';
import { selectInstances } from './sql/select-instances.js';

/** How often identifiers may move to other instances while we wait for the locks of those that had them. */
const MOST_LOOKS = 5;

/** The instances the rows find, locked: nobody changes them before this transaction ends. */
export async function findMatches(
  transaction: Transaction,
  workflowId: number,
  rows: readonly ParsedRow[],
): Promise<Match[]> {
  const identifiers = rows.flatMap((row) => row.identifiers);
  if (identifiers.length === 0) return [];
  let found = await findIdentifiers(transaction, workflowId, identifiers);
  if (identifiers.some((identifier) => !identifier.unique && !found.has(identifier))) {
    await lockSharedValues(transaction, workflowId);
    found = await findIdentifiers(transaction, workflowId, identifiers);
  }
  for (let look = 1; ; look += 1) {
    const { matches, moved } = await readCarriers(found, (ids) => lockInstances(transaction, ids));
    if (!moved || look === MOST_LOOKS) return matches;
    found = await findIdentifiers(transaction, workflowId, identifiers);
  }
}

/** The instances the rows find, as they are at the moment; nothing is locked. */
export async function lookUpMatches(
  sql: Sql,
  workflowId: number,
  rows: readonly ParsedRow[],
): Promise<Match[]> {
  const identifiers = rows.flatMap((row) => row.identifiers);
  if (identifiers.length === 0) return [];
  const found = await findIdentifiers(sql, workflowId, identifiers);
  const { matches } = await readCarriers(found, (ids) => selectInstances(sql, ids));
  return matches;
}

/** Ids of those that carry the identifier. */
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
  read: (ids: readonly number[]) => Promise<StoredInstance[]>,
): Promise<{ matches: Match[]; moved: boolean }> {
  if (found.size === 0) return { matches: [], moved: false };
  const ids = [...new Set([...found.values()].flat())].sort((a, b) => a - b);
  const instances = new Map((await read(ids)).map((instance) => [instance.id, instance]));
  const matches: Match[] = [];
  let moved = false;
  for (const [{ name, value }, carriers] of found) {
    for (const id of carriers) {
      const instance = instances.get(id);
      if (instance !== undefined && storedValuesOf(instance, name).includes(value)) {
        matches.push({ name, value, instance });
      } else {
        moved = true;
      }
    }
  }
  return { matches, moved };
}
