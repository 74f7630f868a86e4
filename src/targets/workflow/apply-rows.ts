import { isDataError, isUniqueViolation } from '../../database/postgres-error.js';
import type { Transaction } from '../../database/transaction.js';
import type { CompiledWorkflowTarget } from '../../workflows/rows/compiled-workflow-target.js';
import { IdentifierReader } from '../../workflows/rows/identifier-reader.js';
import type { ParsedRow } from '../../workflows/rows/parsed-row.js';
import type { RecordOutcome } from '../target.js';
import { findMatches } from './find-matches.js';
import { refusedByDatabase } from './refused-by-database.js';
import { resolveRows, type ResolutionRules, type ResolvedRow } from './resolve-rows.js';
import { selectNow } from './sql/select-now.js';
import { writeEffects, type EffectOrigin } from './write-effects.js';

/** How often rows look again because somebody else has created meanwhile what they were about to create. */
const LONGEST_RACE = 5;

/** What rows are performed in. A `ChunkContext` is one. */
export interface ApplicationContext extends EffectOrigin {
  transaction: Transaction;
  compiled: CompiledWorkflowTarget;
  /** The only instance that the rows may be about. */
  chosenId?: number;
}

/** Performs rows of one chunk, in line order and set-based, inside the chunk's transaction. */
export class RowApplication {
  private rules: ResolutionRules | undefined;

  constructor(private readonly context: ApplicationContext) {}

  /**
   * One outcome per row. All rows are written together; when PostgreSQL refuses a value, the guilty row is found by
   * halving and fails alone. Faults of the environment (deadlock, lost connection) are thrown on.
   */
  async apply(rows: readonly ParsedRow[]): Promise<RecordOutcome[]> {
    if (rows.length === 0) return [];
    try {
      return await this.applyTogether(rows);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = rows;
      if (rows.length === 1 && only !== undefined) return [refusedByDatabase(only.line, error)];
      const half = rows.length >> 1;
      // One after the other: the second half sees what the first did.
      const first = await this.apply(rows.slice(0, half));
      return [...first, ...(await this.apply(rows.slice(half)))];
    }
  }

  private async applyTogether(rows: readonly ParsedRow[]): Promise<RecordOutcome[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.context.transaction.savepoint(() => this.attempt(rows));
      } catch (error) {
        // Another transaction has created the instance since we looked: now it is there to be found.
        if (!isUniqueViolation(error) || attempt === LONGEST_RACE) throw error;
      }
    }
  }

  private async attempt(rows: readonly ParsedRow[]): Promise<RecordOutcome[]> {
    const { transaction, compiled, chosenId } = this.context;
    const { matches, chosen } = await findMatches(transaction, compiled.workflowId, rows, {
      chosenId,
      mayCreate: compiled.configuration.onNoMatch === 'create',
    });
    this.rules ??= rulesOf(compiled, await selectNow(transaction));
    const resolution = resolveRows(rows, matches, this.rules, chosen);
    await writeEffects(resolution, this.context, this.rules.now);
    return resolution.rows.map(toOutcome);
  }
}

export function rulesOf(
  { configuration, definition, effects }: CompiledWorkflowTarget,
  now: string,
): ResolutionRules {
  const step = definition.steps.find(({ name }) => name === configuration.step);
  const readers = new Map(
    definition.identifiers.map((identifier) => [identifier.name, new IdentifierReader(identifier)]),
  );
  return {
    configuration,
    actsOnTerminal: step?.actsOnTerminal ?? false,
    atStep: step?.kind === 'dataEntry' ? step.name : undefined,
    firstStep: definition.steps.find(({ kind }) => kind === 'dataEntry')?.name ?? null,
    fold: (name, written) => readers.get(name)?.fold(written) ?? written,
    effects,
    now,
  };
}

export function toOutcome(row: ResolvedRow): RecordOutcome {
  const { line, result } = row;
  const reference = row.instance?.id === undefined ? null : String(row.instance.id);
  if (result === 'rejected') {
    return { line, status: 'failed', operation: 'rejected', reference, error: row.error };
  }
  if (result === 'skipped') return { line, status: 'skipped', operation: null, reference };
  return { line, status: 'succeeded', operation: result, reference };
}
