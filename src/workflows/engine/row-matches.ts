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
import {
  findCarriers,
  lockInstances,
  lockSharedValues,
  type SeenInstance,
  selectInstances,
} from './instances.sql.js';
import { changesNothing, type Match, type ResolutionRules } from './resolve-rows.js';

/** How many times identifiers can move to other instances while we wait for the locks of their former carriers. */
const MOST_LOOKS = 5;

/** A row that changes nothing about the instance that it finds. */
export interface UnchangedRow {
  row: ParsedRow;
  instance: StoredInstance;
}

/** The instances that rows find. `chosen`: the instance chosen by its id, if any. */
interface Matches {
  matches: Match[];
  chosen: StoredInstance | null;
}

export interface LockedMatches extends Matches {
  /** In line order, like the others. */
  unchanged: readonly UnchangedRow[];
  /** The other rows; `matches` are theirs. */
  rows: readonly ParsedRow[];
}

interface Workflow {
  workflowId: number;
  definition: WorkflowDefinition;
}

export interface MatchOptions {
  /** Another instance to lock together with those that the rows find. */
  chosenId?: number | undefined;
  rules: ResolutionRules;
}

/**
 * The instances that the rows find, locked until this transaction ends.
 *
 * An instance about which no row changes anything is not locked. It was as its rows want it when this transaction read
 * it; another transaction that changes it does so as if these rows had been processed before.
 */
export async function findMatches(
  transaction: Transaction,
  workflow: Workflow,
  rows: readonly ParsedRow[],
  { chosenId, rules }: MatchOptions,
): Promise<LockedMatches> {
  const { onNoMatch, onMatch } = rules.configuration;
  let look = await LookUp.of(transaction, workflow, rows);
  if (onNoMatch === 'create' && look.mayCreateShared) {
    await lockSharedValues(transaction, workflow.workflowId);
    look = await LookUp.of(transaction, workflow, rows);
  }
  const unchanged = onMatch === 'update' && chosenId === undefined ? look.unchanged(rules) : [];
  if (unchanged.length > 0) look = look.without(unchanged);
  for (let attempt = 1; ; attempt += 1) {
    const { found, seen } = look;
    const { moved, ...locked } = await readCarriers(found, chosenId, (ids) =>
      lockInstances(transaction, ids, seen),
    );
    if (!moved || attempt === MOST_LOOKS) return { unchanged, rows: look.rows, ...locked };
    look = await LookUp.of(transaction, workflow, look.rows);
  }
}

/** The instances that the rows currently find, without locks. */
export async function lookUpMatches(
  sql: Sql,
  workflow: Workflow,
  rows: readonly ParsedRow[],
): Promise<Match[]> {
  const { found, seen } = await LookUp.of(sql, workflow, rows);
  const { matches } = await readCarriers(found, undefined, async (ids) => {
    const others = ids.filter((id) => !seen.has(id));
    return [...seen.values(), ...(await selectInstances(sql, others))];
  });
  return matches;
}

/** The ids of the carriers of each identifier. */
type Found = ReadonlyMap<IdentifierValue, readonly number[]>;

const NONE = 0;
const SEVERAL = -1;
const FEW_ROWS = 100;

/** The workflows of which the rows that were looked up last found few instances. */
const findingLittle = new WeakSet<WorkflowDefinition>();

/** The identifiers that decide what rows find, and the instances that carry them. */
class LookUp {
  private readonly identifiers: IdentifierValue[] = [];
  /** For each row the place of its first identifier, and at the end the number of identifiers. */
  private readonly starts: number[] = [NONE];

  private constructor(
    readonly rows: readonly ParsedRow[],
    /** Instances that were read for the look-up, by their ids. */
    readonly seen: Map<number, SeenInstance> = new Map(),
    /** The instance `ids[i]` carries the identifier at `places[i]`, which counts from 0. */
    private readonly places: number[] = [],
    private readonly ids: number[] = [],
  ) {
    for (const row of rows) this.starts.push(this.identifiers.push(...decidingIdentifiers(row)));
  }

  /**
   * Looks up the first identifier of each row, and another one only if the instance that the first one finds does not
   * have it: no other instance can have a unique value of that one. In rows that were imported before, this saves half of
   * the look-ups. All are looked up at once, with the same result, where the second statement would cost more than it
   * saves: for a few rows, and for rows that probably find nothing, as those before.
   */
  static async of(sql: Sql, workflow: Workflow, rows: readonly ParsedRow[]): Promise<LookUp> {
    const { workflowId, definition } = workflow;
    const look = new LookUp(rows);
    const atOnce = rows.length <= FEW_ROWS || findingLittle.has(definition);
    const asked: number[] = [];
    look.forEachRow((row, start, end) => {
      const asksForAll = atOnce || hasSharedOnly(row);
      for (let place = start; place < (asksForAll ? end : Math.min(start + 1, end)); place += 1)
        asked.push(place);
    });
    await look.find(sql, workflowId, asked);
    for (const instance of await selectInstances(sql, look.idsOfFirsts()))
      look.seen.set(instance.id, instance);
    const unknown = look.settleKnown();
    if (!atOnce) await look.find(sql, workflowId, unknown);
    if (2 * look.seen.size < rows.length) findingLittle.add(definition);
    else findingLittle.delete(definition);
    return look;
  }

  get found(): Found {
    const found = new Map<IdentifierValue, number[]>();
    for (const [index, place] of this.places.entries()) {
      const identifier = this.identifiers[place];
      const id = this.ids[index];
      if (identifier === undefined || id === undefined) continue;
      const ids = found.get(identifier);
      if (ids === undefined) found.set(identifier, [id]);
      else ids.push(id);
    }
    return found;
  }

  /** Whether a row with shared values only may find nothing, and create an instance. */
  get mayCreateShared(): boolean {
    if (!this.rows.some(hasSharedOnly)) return false;
    const { found } = this;
    return this.rows.some(
      (row) =>
        hasSharedOnly(row) &&
        (row.identifiers.length > 1 || row.identifiers.some((identifier) => !found.has(identifier))),
    );
  }

  /**
   * The rows that change nothing about an instance that no other row changes either: a row must see the changes of
   * earlier ones.
   */
  unchanged(rules: ResolutionRules): UnchangedRow[] {
    const carriers = this.soleCarriers();
    const unchanged: UnchangedRow[] = [];
    const others = new Set<number>();
    this.forEachRow((row, start, end) => {
      const id = carriers[start] ?? NONE;
      let isSole = !hasSharedOnly(row) && start < end;
      for (let place = start; place < end; place += 1) isSole &&= carriers[place] === id;
      const instance = isSole ? this.seen.get(id) : undefined;
      if (instance !== undefined && changesNothing(row, instance, rules)) unchanged.push({ row, instance });
      else for (let place = start; place < end; place += 1) others.add(place);
    });
    if (others.size === 0) return unchanged;
    const changed = new Set(this.ids.filter((_, index) => others.has(this.places[index] ?? NONE)));
    return unchanged.filter(({ instance }) => !changed.has(instance.id));
  }

  /** The same for the other rows. */
  without(unchanged: readonly UnchangedRow[]): LookUp {
    if (unchanged.length === this.rows.length) return new LookUp([]);
    const left = new Set(unchanged.map(({ row }) => row));
    const rows: ParsedRow[] = [];
    /** The new place of each identifier that stays. */
    const placeOf = new Map<number, number>();
    let next = 0;
    this.forEachRow((row, start, end) => {
      if (left.has(row)) return;
      rows.push(row);
      for (let place = start; place < end; place += 1, next += 1) placeOf.set(place, next);
    });
    const look = new LookUp(rows, this.seen);
    for (const [index, place] of this.places.entries()) {
      const kept = placeOf.get(place);
      if (kept !== undefined) look.add(kept, this.ids[index] ?? NONE);
    }
    return look;
  }

  private forEachRow(callback: (row: ParsedRow, start: number, end: number) => void): void {
    for (const [index, row] of this.rows.entries()) {
      callback(row, this.starts[index] ?? 0, this.starts[index + 1] ?? 0);
    }
  }

  private async find(sql: Sql, workflowId: number, places: readonly number[]): Promise<void> {
    if (places.length === 0) return;
    const wanted = places.flatMap((place) => this.identifiers[place] ?? []);
    const carriers = await findCarriers(
      sql,
      workflowId,
      wanted.map(({ name }) => name),
      wanted.map(({ value }) => value),
    );
    for (const [index, id] of carriers.ids.entries()) {
      this.add(places[(carriers.places[index] ?? 0) - 1] ?? NONE, id);
    }
  }

  private add(place: number, id: number): void {
    this.places.push(place);
    this.ids.push(id);
  }

  /** The instances that rows find by their first identifiers. */
  private idsOfFirsts(): number[] {
    const firsts = new Set<number>();
    this.forEachRow((row, start) => {
      if (!hasSharedOnly(row)) firsts.add(start);
    });
    return [...new Set(this.ids.filter((_, index) => firsts.has(this.places[index] ?? NONE)))];
  }

  /** Settles the other identifiers that the instances found by the first ones have; answers the places of the rest. */
  private settleKnown(): number[] {
    const carriers = this.soleCarriers();
    const known = new Map<number, number>();
    const unknown: number[] = [];
    this.forEachRow((row, start, end) => {
      if (hasSharedOnly(row)) return;
      const instance = this.seen.get(carriers[start] ?? NONE);
      for (let place = start + 1; place < end; place += 1) {
        const { name, value } = this.identifiers[place] ?? { name: '', value: '' };
        // A value that is stored in another form may be that of several instances: see `storedValuesOf`.
        if (instance?.attributes[name] === value) known.set(place, instance.id);
        else unknown.push(place);
      }
    });
    const places = this.places.splice(0);
    const ids = this.ids.splice(0);
    for (const [index, place] of places.entries()) {
      if (!known.has(place)) this.add(place, ids[index] ?? NONE);
    }
    for (const [place, id] of known) this.add(place, id);
    return unknown;
  }

  /** For each place the id of its carrier. */
  private soleCarriers(): Float64Array {
    const sole = new Float64Array(this.identifiers.length);
    for (const [index, place] of this.places.entries()) {
      sole[place] = sole[place] === NONE ? (this.ids[index] ?? NONE) : SEVERAL;
    }
    return sole;
  }
}

async function readCarriers(
  found: Found,
  chosenId: number | undefined,
  read: (ids: readonly number[]) => Promise<StoredInstance[]>,
): Promise<Matches & { moved: boolean }> {
  if (found.size === 0 && chosenId === undefined) return { matches: [], chosen: null, moved: false };
  const known = [...found.values()].filter((carriers) => !isCrowd(carriers)).flat();
  if (chosenId !== undefined) known.push(chosenId);
  const instances = new Map((await read([...new Set(known)])).map((instance) => [instance.id, instance]));
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
  { matches, unchanged }: Pick<LockedMatches, 'matches' | 'unchanged'>,
  fold: ResolutionRules['fold'],
  { identifiers }: Pick<WorkflowDefinition, 'identifiers'>,
): string[] {
  const others: string[] = [];
  const add = (
    { attributes }: StoredInstance,
    foundBy: readonly Pick<IdentifierValue, 'name' | 'value'>[],
  ) => {
    for (const { name } of identifiers) {
      const written = attributes[name];
      if (typeof written !== 'string') continue;
      const value = fold(name, written);
      if (!foundBy.some((each) => each.name === name && each.value === value)) {
        others.push(identifierKey(name, value));
      }
    }
  };
  const byInstance = new Map<StoredInstance, Match[]>();
  for (const match of matches) {
    if (match.instance === null) continue;
    const known = byInstance.get(match.instance);
    if (known === undefined) byInstance.set(match.instance, [match]);
    else known.push(match);
  }
  for (const [instance, foundBy] of byInstance) add(instance, foundBy);
  for (const { row, instance } of unchanged) add(instance, row.identifiers);
  return others;
}
