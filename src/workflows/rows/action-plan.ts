import type { AttributeDefinition } from '../definition.js';
import type { IdentifierReader } from './identifier-reader.js';
import { NearestName } from './nearest-name.js';
import { compileRules, type RuleCheck } from './action-rules.js';
import type { StepAction } from './parsed-row.js';
import { valueTypeOf } from './values/value-type-of.js';
import type { ValueType } from './values/value-type.js';

export const ACTION_ID_COLUMN = ':WorkflowActionId';
export const ACTION_NAME_COLUMN = ':WorkflowActionName';

export interface IdentifierColumn {
  kind: 'identifier';
  reader: IdentifierReader;
  /** Place in the definition's order. */
  index: number;
}

export interface InputColumn {
  kind: 'input';
  attribute: AttributeDefinition;
  required: boolean;
  type: ValueType;
}

/** One column of a row, as one action reads it. */
export type PlannedColumn = IdentifierColumn | InputColumn | { kind: 'action' };

/** Everything a row of one action needs, looked up by column name. */
export class ActionPlan {
  readonly columns = new Map<string, PlannedColumn>();
  readonly requiredCount: number;
  /** The conditional rules of the action; `null` if it has none. */
  readonly violates: RuleCheck | null;
  private readonly nearest: NearestName;

  constructor(
    readonly action: StepAction,
    readonly identifiers: readonly IdentifierReader[],
    readonly inputs: readonly InputColumn[],
  ) {
    this.columns.set(ACTION_ID_COLUMN, { kind: 'action' }).set(ACTION_NAME_COLUMN, { kind: 'action' });
    for (const input of inputs) this.columns.set(input.attribute.name, input);
    identifiers.forEach((reader, index) =>
      this.columns.set(reader.name, { kind: 'identifier', reader, index }),
    );
    this.requiredCount = inputs.filter((input) => input.required).length;
    this.violates = compileRules(action.rules);
    this.nearest = new NearestName(this.columns.keys());
  }

  /** ` Did you mean "…"?`, or nothing. */
  columnHint(name: string): string {
    return this.nearest.hint(name);
  }
}

/**
 * Plans the actions of one step. They share the value types, since an attribute may have thousands of options.
 * @throws Error if an action names an attribute that the workflow has not (a definition is checked when saved)
 */
export function planActions(
  actions: readonly StepAction[],
  identifiers: readonly IdentifierReader[],
  attributes: readonly AttributeDefinition[],
): ActionPlan[] {
  const known = new Map(
    attributes.map((attribute) => [attribute.name, { attribute, type: valueTypeOf(attribute) }] as const),
  );
  return actions.map((action) => {
    const required = new Set(action.required);
    const inputs = action.inputs.map((name): InputColumn => {
      const column = known.get(name);
      if (column === undefined) {
        throw new Error(`action "${action.name}" has an input "${name}" that is no attribute`);
      }
      return { kind: 'input', ...column, required: required.has(name) };
    });
    return new ActionPlan(action, identifiers, inputs);
  });
}
