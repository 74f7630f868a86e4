import type {
  ExistingThings,
  ImportRecord,
  PreviewContext,
  PreviewedOutcome,
  SameThing,
} from '../../records/target.js';
import { identifierKey, type IdentifierValue, type ParsedRow } from '../rows/row-reader.js';
import { type CompiledWorkflowTarget, readRows, rulesOf, toOutcome } from './row-application.js';
import { type InstanceState, storedValuesOf } from './instance-state.js';
import { countInstances, lookUpMatches, selectNow } from './instances.sql.js';
import {
  type EarlierInstances,
  type ResolutionRules,
  type ResolvedRow,
  resolveRows,
} from './resolve-rows.js';

/** The most things that are listed because several rows are about them. */
const MOST_SAME = 100;

/**
 * Previews rows: the same look-up and resolution as `RowApplication`, without writing. Later rows would find the
 * changes in the database; the preview keeps them here instead, as long as a later row can ask for them.
 * Why: ADR 10.
 */
export class RowPreview implements EarlierInstances {
  private readonly changed = new Map<number, InstanceState>();
  private readonly carriers = new Map<string, InstanceState[]>();
  private rules: ResolutionRules | undefined;
  /** The lines about each instance that a later row may find, by its id or, until it has one, by itself. */
  private readonly lines = new Map<number | InstanceState, number[]>();
  readonly sameThings: SameThing[] = [];
  /** Stored instances that were changed. One that a later row may find is the same object then. */
  private readonly counted = new WeakSet<InstanceState>();
  private changedStored = 0;

  constructor(private readonly context: PreviewContext<CompiledWorkflowTarget>) {}

  async see(
    records: readonly ImportRecord[],
    occursLater: (key: string) => boolean,
  ): Promise<PreviewedOutcome[]> {
    const { sql, compiled } = this.context;
    const { rows, refused } = await readRows(records, compiled);
    if (rows.length === 0) return refused;
    this.rules ??= rulesOf(compiled, await selectNow(sql));
    const matches = await lookUpMatches(sql, compiled.workflowId, rows);
    const resolution = resolveRows(rows, matches, this.rules, null, this);
    for (const instance of new Set(resolution.effects.map((effect) => effect.instance))) {
      if (instance.stored !== null && !this.counted.has(instance)) this.changedStored += 1;
      this.counted.add(instance);
      if (this.mayBeFound(instance, occursLater)) this.keep(instance);
    }
    this.noteSame(rows, resolution.rows, occursLater);
    const changes = new Map(resolution.effects.map((effect) => [effect.line, effect.changes]));
    const outcomes = resolution.rows.map((row): PreviewedOutcome => {
      const own = changes.get(row.line) ?? [];
      return {
        ...toOutcome(row),
        changes: own.map(({ name, before, after }) => ({ field: name, before, after })),
      };
    });
    return [...refused, ...outcomes];
  }

  /** Notes which rows are about an instance that an earlier row was about, too. */
  private noteSame(
    rows: readonly ParsedRow[],
    resolved: readonly ResolvedRow[],
    occursLater: (key: string) => boolean,
  ): void {
    const parsed = new Map(rows.map((row) => [row.line, row]));
    const seen = new Set<number | InstanceState>();
    for (const { line, instance } of resolved) {
      if (instance === null) continue;
      const key = instance.id ?? instance;
      seen.add(key);
      const lines = this.lines.get(key) ?? [];
      lines.push(line);
      this.lines.set(key, lines);
      const [identifier] = parsed.get(line)?.identifiers ?? [];
      if (lines.length !== 2 || identifier === undefined || this.sameThings.length === MOST_SAME) continue;
      this.sameThings.push({ identifier: `${identifier.name}:${identifier.written}`, lines });
    }
    const recurring = new Set<number | InstanceState>();
    for (const { instance, line } of resolved) {
      const identifiers = parsed.get(line)?.identifiers ?? [];
      const recurs = identifiers.some(({ name, value }) => occursLater(identifierKey(name, value)));
      if (instance !== null && recurs) recurring.add(instance.id ?? instance);
    }
    for (const key of seen) if (!recurring.has(key)) this.lines.delete(key);
  }

  async existingThings(): Promise<ExistingThings> {
    const { sql, compiled } = this.context;
    return { total: await countInstances(sql, compiled.workflowId), changed: this.changedStored };
  }

  byId(id: number): InstanceState | undefined {
    return this.changed.get(id);
  }

  carrying({ name, value }: IdentifierValue): readonly InstanceState[] {
    // An instance that has since received another value is still listed under the former one.
    return (this.carriers.get(identifierKey(name, value)) ?? []).filter(
      (instance) => instance.newIdentifiers.get(name)?.value === value,
    );
  }

  private mayBeFound(instance: InstanceState, occursLater: (key: string) => boolean): boolean {
    for (const { name, value } of instance.newIdentifiers.values())
      if (occursLater(identifierKey(name, value))) return true;
    const { identifiers } = this.context.compiled.definition;
    return identifiers.some(({ name }) =>
      storedValuesOf(instance.stored, name).some((value) => occursLater(identifierKey(name, value))),
    );
  }

  private keep(instance: InstanceState): void {
    if (instance.id !== undefined) this.changed.set(instance.id, instance);
    for (const { name, value } of instance.newIdentifiers.values()) {
      const key = identifierKey(name, value);
      const known = this.carriers.get(key);
      if (known === undefined) this.carriers.set(key, [instance]);
      else if (!known.includes(instance)) known.push(instance);
    }
  }
}
