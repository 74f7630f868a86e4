import type {
  ExistingThings,
  ImportRecord,
  LookedUpRecords,
  PreviewContext,
  PreviewedOutcome,
  SameThing,
} from '../../records/target.js';
import { identifierKey, type IdentifierValue, type ParsedRow } from '../rows/row-reader.js';
import { type CompiledWorkflowTarget, readRows, rulesOf, toOutcome } from './row-application.js';
import { type InstanceState, storedValuesOf } from './instance-state.js';
import { countInstances, selectNow } from './instances.sql.js';
import { lookUpMatches } from './row-matches.js';
import {
  type EarlierInstances,
  type Resolution,
  type ResolutionRules,
  type ResolvedRow,
  resolveRows,
} from './resolve-rows.js';

/** The most things that are listed because several rows are about them. */
const MOST_SAME = 100;

/** Whether each identifier of the rows occurs after them, by its key. */
function whetherOccursLater(
  rows: readonly ParsedRow[],
  recurs: (key: string, here: number) => boolean,
): ReadonlyMap<string, boolean> {
  const counts = new Map<string, number>();
  for (const { identifiers } of rows) {
    for (const { key } of identifiers) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const occurs = new Map<string, boolean>();
  for (const [key, count] of counts) occurs.set(key, recurs(key, count));
  return occurs;
}

/**
 * Previews rows: the same look-up and resolution as `RowApplication`, without writing. Later rows would find the
 * changes in the database; the preview keeps them here instead, as long as a later row can ask for them.
 * Why: ADR 10.
 */
export class RowPreview implements EarlierInstances {
  private readonly changed = new Map<number, InstanceState>();
  private readonly carriers = new Map<string, InstanceState[]>();
  private rules: Promise<ResolutionRules> | undefined;
  /** The lines about each instance that a later row may find, by its id or, until it has one, by itself. */
  private readonly lines = new Map<number | InstanceState, number[]>();
  readonly sameThings: SameThing[] = [];
  /** Stored instances. */
  private changedStored = 0;

  constructor(private readonly context: PreviewContext<CompiledWorkflowTarget>) {}

  async lookUp(records: readonly ImportRecord[]): Promise<LookedUpRecords> {
    const { sql, compiled } = this.context;
    const { rows, refused } = await readRows(records, compiled);
    if (rows.length === 0) return { foresee: () => refused };
    this.rules ??= selectNow(sql).then((now) => rulesOf(compiled, now));
    const rules = await this.rules;
    const matches = await lookUpMatches(sql, compiled, rows);
    return {
      foresee: (recurs) => [
        ...refused,
        ...this.foresee(rows, resolveRows(rows, matches, rules, null, this), recurs),
      ],
    };
  }

  /** @param recurs as in `LookedUpRecords` */
  private foresee(
    rows: readonly ParsedRow[],
    resolution: Resolution,
    recurs: (key: string, here: number) => boolean,
  ): PreviewedOutcome[] {
    const here = whetherOccursLater(rows, recurs);
    const occursLater = (key: string) => here.get(key) ?? recurs(key, 0);
    const changedHere = new Set<number>();
    for (const { instance } of resolution.effects) {
      // An instance that earlier rows changed is found here only if it was kept.
      if (instance.id !== undefined && !this.changed.has(instance.id)) changedHere.add(instance.id);
      if (this.mayBeFound(instance, occursLater)) this.keep(instance);
    }
    this.changedStored += changedHere.size;
    this.noteSame(rows, resolution.rows, occursLater);
    const effects = resolution.effects[Symbol.iterator]();
    let effect = effects.next().value;
    return resolution.rows.map((row) => {
      const outcome: PreviewedOutcome = toOutcome(row);
      // Both are in line order.
      if (effect?.line === row.line) {
        outcome.changes = effect.changes;
        effect = effects.next().value;
      }
      return outcome;
    });
  }

  /**
   * Notes which rows are about an instance that an earlier row was about, too.
   * @param resolved one per row, in the same order
   */
  private noteSame(
    rows: readonly ParsedRow[],
    resolved: readonly ResolvedRow[],
    occursLater: (key: string) => boolean,
  ): void {
    const here = new Map<number | InstanceState, number[]>();
    const recurring = new Set<number | InstanceState>();
    for (const [index, { line, result, instance }] of resolved.entries()) {
      // The first row about a new thing: the thing itself knows its line.
      if (instance === null || result === 'created') continue;
      const key = instance.id ?? instance;
      const { createdBy } = instance;
      const lines = here.get(key) ?? this.lines.get(key) ?? (createdBy === null ? [] : [createdBy]);
      lines.push(line);
      here.set(key, lines);
      const identifiers = rows[index]?.identifiers ?? [];
      if (identifiers.some((each) => occursLater(each.key))) recurring.add(key);
      const [identifier] = identifiers;
      if (lines.length !== 2 || identifier === undefined || this.sameThings.length === MOST_SAME) continue;
      this.sameThings.push({ identifier: `${identifier.name}:${identifier.written}`, lines });
    }
    for (const [key, lines] of here) {
      if (recurring.has(key)) this.lines.set(key, lines);
      else this.lines.delete(key);
    }
  }

  async existingThings(): Promise<ExistingThings> {
    const { sql, compiled } = this.context;
    return { total: await countInstances(sql, compiled.workflowId), changed: this.changedStored };
  }

  byId(id: number): InstanceState | undefined {
    return this.changed.get(id);
  }

  carrying({ name, value, key }: IdentifierValue): readonly InstanceState[] {
    // An instance that has since received another value is still listed under the former one.
    return (this.carriers.get(key) ?? NONE).filter(({ newIdentifiers }) =>
      newIdentifiers.some((given) => given.name === name && given.value === value),
    );
  }

  private mayBeFound(instance: InstanceState, occursLater: (key: string) => boolean): boolean {
    for (const { key } of instance.newIdentifiers) if (occursLater(key)) return true;
    if (instance.stored === null) return false;
    const { identifiers } = this.context.compiled.definition;
    return identifiers.some(({ name }) =>
      storedValuesOf(instance.stored, name).some((value) => occursLater(identifierKey(name, value))),
    );
  }

  private keep(instance: InstanceState): void {
    if (instance.id !== undefined) this.changed.set(instance.id, instance);
    for (const { key } of instance.newIdentifiers) {
      const known = this.carriers.get(key);
      if (known === undefined) this.carriers.set(key, [instance]);
      else if (!known.includes(instance)) known.push(instance);
    }
  }
}

const NONE: readonly InstanceState[] = [];
