import type { ImportRecord, PreviewContext, RecordOutcome } from '../../records/target.js';
import { identifierKey, type IdentifierValue } from '../rows/row-reader.js';
import type { CompiledWorkflowTarget } from './compiled-workflow-target.js';
import { type InstanceState, storedValuesOf } from './instance-state.js';
import { selectNow } from './instances.sql.js';
import { lookUpMatches } from './matches.js';
import { type EarlierInstances, type ResolutionRules, resolveRows } from './resolve-rows.js';
import { readRows, rulesOf, toOutcome } from './row-application.js';

/**
 * Previews rows: the same look-up and resolution as `RowApplication`, without writing. Later rows would find the
 * changes in the database; the preview keeps them here instead, as long as a later row can ask for them.
 * Why: ADR 10.
 */
export class RowPreview implements EarlierInstances {
  private readonly changed = new Map<number, InstanceState>();
  private readonly carriers = new Map<string, InstanceState[]>();
  private rules: ResolutionRules | undefined;

  constructor(private readonly context: PreviewContext<CompiledWorkflowTarget>) {}

  async see(
    records: readonly ImportRecord[],
    occursLater: (key: string) => boolean,
  ): Promise<RecordOutcome[]> {
    const { sql, compiled } = this.context;
    const { rows, refused } = await readRows(records, compiled);
    if (rows.length === 0) return refused;
    this.rules ??= rulesOf(compiled, await selectNow(sql));
    const matches = await lookUpMatches(sql, compiled.workflowId, rows);
    const resolution = resolveRows(rows, matches, this.rules, null, this);
    for (const instance of new Set(resolution.effects.map((effect) => effect.instance))) {
      if (this.mayBeFound(instance, occursLater)) this.keep(instance);
    }
    return [...refused, ...resolution.rows.map(toOutcome)];
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
