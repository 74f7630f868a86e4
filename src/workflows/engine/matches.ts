import type { Sql, Transaction } from '../../platform/database/database.service.js';
import type { WorkflowDefinition } from '../definition.js';
import { identifierKey, type IdentifierValue, type ParsedRow } from '../rows/row-reader.js';
import {
  decidingIdentifiers,
  hasSharedOnly,
  isCrowd,
  isFoundBy,
  type StoredInstance,
} from './instance-state.js';
import { findCarriers, lockSharedValues } from './identifiers.sql.js';
import { lockInstances, selectStoredInstances } from './instances.sql.js';
import type { Match, ResolutionRules } from './resolve-rows.js';

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
  for (const [{ name, value }, carriers] of found) {
    if (isCrowd(carriers)) {
      matches.push({ name, value, instance: null });
      continue;
    }
    for (const id of carriers) {
      const instance = instances.get(id);
      if (instance !== undefined && isFoundBy(instance, name, value)) {
        matches.push({ name, value, instance });
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
  for (const { name, value, instance } of matches) {
    foundBy.add(identifierKey(name, value));
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
