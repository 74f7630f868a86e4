import { compileJsonSchema } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { CompiledTarget, ImportRecord, RecordError } from '../../records/target.js';
import { type ActionEffects, compileEffects } from '../behaviors/action-effects.js';
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
  type InputValue,
  readRow,
  type ReadRow,
  type RefusedRow,
  type RowResult,
} from '../rows/row-reader.js';
import { keptPointer, quoted, rowError } from '../rows/values/value-type.js';

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

  const read = (row: JsonObject, raw: string, values: InputValue[] | null): ReadRow | RefusedRow => {
    const result = readRow(row, raw, choice, values);
    if (result.error !== null) return result;
    const violation = violates?.(row) ?? null;
    return violation === null ? result : { error: schemaError(violation) };
  };

  return {
    workflowId,
    definition,
    configuration,
    effects: compileEffects(definition, step, configuration.muteBehaviors === true),
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

    parseRow({ line, payload }) {
      const values: InputValue[] = [];
      const result = read(JSON.parse(payload) as JsonObject, payload, values);
      if (result.error !== null) return { error: result.error };
      const identifiers: IdentifierValue[] = [];
      for (const [index, reader] of readers.entries()) {
        const written = result.written[index];
        if (written === undefined) continue;
        const { name, unique } = reader;
        identifiers.push({ name, value: reader.fold(written), written, unique });
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
