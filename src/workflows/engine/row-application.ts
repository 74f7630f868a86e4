import { behaviorsToInsert } from '../../delivery/outbox.sql.js';
import { EventLoopTurn } from '../../platform/concurrency.js';
import type { CopyInput } from '../../platform/database/copy-rows.js';
import type { Transaction } from '../../platform/database/database.service.js';
import { isDataError, isUniqueViolation } from '../../platform/database/postgres-errors.js';
import { compileJsonSchema } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { SecretBox } from '../../platform/secret-box.js';
import type {
  ChunkContext,
  CompiledTarget,
  FieldChange,
  ImportRecord,
  RecordError,
  RecordOutcome,
} from '../../records/target.js';
import { type ActionEffects, behaviorRow, compileEffects } from '../behaviors/action-effects.js';
import type { StepDefinition, WorkflowDefinition, WorkflowTargetConfiguration } from '../definition.js';
import {
  ActionChoice,
  type IdentifierNeeded,
  planActions,
  rowColumns,
  rowSchema,
} from '../rows/action-plan.js';
import {
  identifierKey,
  IdentifierReader,
  type IdentifierValue,
  type ParsedRow,
  plainChecks,
  readRow,
  type ReadRow,
  type RefusedRow,
  type RowResult,
} from '../rows/row-reader.js';
import { keptPointer, quoted, rowError } from '../rows/values/value-type.js';
import { idOf, type InstanceState, storedValuesOf } from './instance-state.js';
import {
  allocateInstanceIds,
  deleteIdentifiers,
  type FormerIdentifier,
  identifiersToInsert,
  instancesToInsert,
  instancesToUpdate,
  type InstanceUpdate,
  updateInstances,
} from './instances.sql.js';
import { logToInsert } from './log.sql.js';
import { findMatches, otherOrderingKeys, type UnchangedRow } from './row-matches.js';
import {
  refusedByDatabase,
  type Resolution,
  type ResolutionRules,
  type ResolvedRow,
  resolveRows,
} from './resolve-rows.js';

/** The origin of effects, as the log records it. */
interface EffectOrigin {
  /** `null` for effects without an import, which have no line either. */
  batchId: number | null;
  actor: string;
}

interface WritingContext extends EffectOrigin {
  transaction: Transaction;
  compiled: CompiledWorkflowTarget;
}

/** The effects of rows, in the form for PostgreSQL. */
interface PreparedEffects {
  formerIdentifiers: readonly FormerIdentifier[];
  rows: readonly CopyInput[];
  updates: InstanceUpdate;
}

/**
 * Prepares the effects of rows and gives new instances their ids.
 * @param ids one for each new instance
 */
async function prepareEffects(
  { created, updated, effects, owed }: Resolution,
  { compiled: { workflowId, definition }, batchId, actor }: WritingContext,
  now: string,
  ids: readonly number[],
): Promise<PreparedEffects> {
  for (const [index, instance] of created.entries()) instance.id = ids[index];
  const origin = { workflow: definition.name, batchId, now };
  return {
    formerIdentifiers: updated.flatMap(formerIdentifiers),
    // Rows that can collide come first, so that a lost race wastes little work.
    rows: await Promise.all([
      identifiersToInsert(workflowId, [...created, ...updated]),
      instancesToInsert(workflowId, created),
      logToInsert({ batchId, actor }, effects),
      behaviorsToInsert(
        batchId,
        owed.map((behavior) => behaviorRow(behavior, idOf(behavior.instance), origin)),
      ),
    ]),
    updates: await instancesToUpdate(updated),
  };
}

/** @throws 23505 if another transaction has given a unique identifier to another instance */
async function writeEffects(
  effects: PreparedEffects,
  { transaction, compiled: { workflowId } }: WritingContext,
): Promise<void> {
  // Values can move between instances, so all former values are deleted first.
  await deleteIdentifiers(transaction, workflowId, effects.formerIdentifiers);
  await transaction.copyTogether(effects.rows);
  await updateInstances(transaction, effects.updates);
}

/** The former values of identifiers that get a new value. */
function formerIdentifiers(instance: InstanceState): FormerIdentifier[] {
  return instance.newIdentifiers.flatMap(({ name }) =>
    storedValuesOf(instance.stored, name).map((value) => ({ name, value, instanceId: idOf(instance) })),
  );
}

/**
 * How many times records look again because another transaction has created the instance that they were about to
 * create.
 */
const LONGEST_RACE = 5;

/** The context in which records are performed. A `ChunkContext` is one. */
export interface ApplicationContext extends EffectOrigin {
  transaction: Transaction;
  compiled: CompiledWorkflowTarget;
  /** The only instance that the records can concern. */
  chosenId?: number;
  /** As in `ChunkContext`; records without a batch have no order to keep. */
  keepOrder?: ChunkContext['keepOrder'];
}

/** Performs records of one chunk, in line order and set-based, inside the chunk's transaction. */
export class RowApplication {
  private rules: ResolutionRules | undefined;

  constructor(private readonly context: ApplicationContext) {}

  /**
   * Returns one outcome per record. All records are written together. If PostgreSQL refuses a value, halving isolates
   * the record that contains it, which fails alone. Faults of the environment (deadlock, lost connection) are rethrown.
   */
  async apply(records: readonly ImportRecord[]): Promise<RecordOutcome[]> {
    if (records.length === 0) return [];
    try {
      return await this.applyTogether(records);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = records;
      if (records.length === 1 && only !== undefined) return [refusedByDatabase(only.line, error)];
      const half = records.length >> 1;
      // One after the other: the second half sees the effects of the first.
      const first = await this.apply(records.slice(0, half));
      return [...first, ...(await this.apply(records.slice(half)))];
    }
  }

  private async applyTogether(records: readonly ImportRecord[]): Promise<RecordOutcome[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.context.transaction.savepoint(() => this.attempt(records));
      } catch (error) {
        // Another transaction has created the instance since the look-up: the next attempt finds it.
        if (!isUniqueViolation(error) || attempt === LONGEST_RACE) throw error;
      }
    }
  }

  private async attempt(records: readonly ImportRecord[]): Promise<RecordOutcome[]> {
    const { outcomes, effects } = await this.prepare(records);
    if (effects !== null) await writeEffects(effects, this.context);
    return outcomes;
  }

  /**
   * Rows, instances and changes live only in this method: during the long wait for PostgreSQL the process holds only
   * bytes. For this reason, another attempt starts from the records and not from the rows.
   */
  private async prepare(
    records: readonly ImportRecord[],
  ): Promise<{ outcomes: RecordOutcome[]; effects: PreparedEffects | null }> {
    const { transaction, compiled, chosenId } = this.context;
    const { rows, refused } = await readRows(records, compiled);
    if (rows.length === 0) return { outcomes: refused, effects: null };
    this.rules ??= rulesOf(compiled, (await transaction.startedAt()).toISOString());
    const { rules } = this;
    const found = await findMatches(transaction, compiled, rows, { chosenId, rules });
    this.context.keepOrder?.(otherOrderingKeys(found, rules.fold, compiled.definition));
    const unchanged = found.unchanged.map(unchangedOutcome);
    if (found.rows.length === 0) return { outcomes: [...refused, ...unchanged], effects: null };
    const resolution = resolveRows(found.rows, found.matches, rules, found.chosen);
    const ids = await allocateInstanceIds(transaction, resolution.created.length);
    const effects = await prepareEffects(resolution, this.context, rules.now, ids);
    return { outcomes: [...refused, ...unchanged, ...resolution.rows.map(toOutcome)], effects };
  }
}

function unchangedOutcome({ row: { line }, instance: { id } }: UnchangedRow): RecordOutcome {
  return { line, status: 'succeeded', operation: 'unchanged', reference: String(id) };
}

/** Parses the records; refuses those that no instance could accept. Yields to other work of the process in between. */
export async function readRows(
  records: readonly ImportRecord[],
  compiled: Pick<CompiledWorkflowTarget, 'parseRow'>,
): Promise<{ rows: ParsedRow[]; refused: RecordOutcome[] }> {
  const rows: ParsedRow[] = [];
  const refused: RecordOutcome[] = [];
  const turn = new EventLoopTurn();
  for (const record of records) {
    if (turn.isOver) await turn.next();
    const { row, error } = compiled.parseRow(record);
    if (error === undefined) rows.push(row);
    else refused.push({ line: record.line, status: 'failed', operation: 'rejected', reference: null, error });
  }
  return { rows, refused };
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

/** An import process of kind `workflow`, ready to read rows. */
export interface CompiledWorkflowTarget extends CompiledTarget {
  readonly workflowId: number;
  readonly definition: WorkflowDefinition;
  readonly configuration: WorkflowTargetConfiguration;
  /** The effects of the step's actions. */
  readonly effects: ActionEffects;
  /** Pass 2 of a record that passed `checkRow`: the same rules, and the parsed row. */
  parseRow(record: ImportRecord): RowResult;
}

export interface WorkflowTargetSource {
  workflowId: number;
  definition: WorkflowDefinition;
  configuration: WorkflowTargetConfiguration;
  /** Further rules of the import process, for the row as the client sent it. */
  recordSchema: JsonObject | null;
  timeZone?: string | undefined;
  identifierNeeded: IdentifierNeeded;
  /** Encrypts the URLs of webhooks for the outbox; without it they are stored in clear. */
  secrets?: SecretBox;
}

const NO_KEYS: readonly string[] = [];

/**
 * Compiles the rules of one import process for many rows.
 * @throws Error if definition, configuration and schema do not fit each other; saving them checks this
 */
export function compileWorkflowTarget(from: WorkflowTargetSource): CompiledWorkflowTarget {
  const { workflowId, definition, configuration, recordSchema, timeZone } = from;
  const readers = definition.identifiers.map((identifier) => new IdentifierReader(identifier));
  const step = stepOf(definition, configuration);
  const choice = actionChoice(step, from, readers);
  const violates = recordSchema === null ? null : compileJsonSchema(recordSchema);

  const read = (row: JsonObject, raw: string, values: FieldChange[] | null): ReadRow | RefusedRow => {
    const result = readRow(row, raw, choice, values);
    if (result.error !== null) return result;
    const violation = violates?.(row) ?? null;
    return violation === null ? result : { error: schemaError(violation) };
  };

  return {
    workflowId,
    definition,
    configuration,
    effects: compileEffects(
      definition,
      step,
      configuration.muteBehaviors === true,
      from.secrets ?? new SecretBox(),
    ),
    columns: rowColumns(choice, timeZone),
    schema: rowSchema(definition, choice, recordSchema),

    checkRow(row, raw) {
      const result = read(row, raw, null);
      if (result.error !== null) return { ...result, orderingKeys: NO_KEYS };
      const orderingKeys: string[] = [];
      for (const [index, reader] of readers.entries()) {
        const written = result.written[index];
        if (written !== undefined) orderingKeys.push(identifierKey(reader.name, reader.fold(written)));
      }
      return { error: null, orderingKeys };
    },

    plainChecks: (names) => (violates === null ? plainChecks(names, choice) : null),

    parseRow({ line, payload }) {
      const values: FieldChange[] = [];
      const result = read(JSON.parse(payload) as JsonObject, payload, values);
      if (result.error !== null) return { error: result.error };
      const identifiers: IdentifierValue[] = [];
      for (const [index, reader] of readers.entries()) {
        const written = result.written[index];
        if (written !== undefined) identifiers.push(reader.identify(written));
      }
      return { row: { line, action: result.plan.action, identifiers, values } };
    },
  };
}

function stepOf(definition: WorkflowDefinition, configuration: WorkflowTargetConfiguration): StepDefinition {
  const step = definition.steps.find(({ name }) => name === configuration.step);
  if (step === undefined)
    throw new Error(`workflow "${definition.name}" has no step "${configuration.step}"`);
  return step;
}

function actionChoice(
  step: StepDefinition,
  { definition, configuration, identifierNeeded }: WorkflowTargetSource,
  identifiers: readonly IdentifierReader[],
): ActionChoice {
  const actions = step.actions.map((action) => ({ ...action, step: step.name }));
  const plans = planActions(actions, identifiers, definition.attributes);
  const named = plans.find(({ action }) => action.name === configuration.action);
  if (configuration.action !== undefined && named === undefined) {
    throw new Error(`step "${step.name}" has no action "${configuration.action}"`);
  }
  const preset = named ?? (plans.length === 1 ? (plans[0] ?? null) : null);
  return new ActionChoice(plans, step.name, preset, identifierNeeded);
}

function schemaError({ pointer, message }: { pointer: string; message: string }): RecordError {
  const place = pointer === '' ? 'the row' : quoted(pointer);
  return rowError('record_schema', `${place} ${message}`, pointer === '' ? undefined : keptPointer(pointer));
}
