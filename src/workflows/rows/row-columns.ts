import type { RowColumn } from '../../targets/target.js';
import type { ActionChoice } from './action-choice.js';
import { ACTION_NAME_COLUMN, type ActionPlan } from './action-plan.js';

/** The columns of a template: identifiers, the action where a row has to name one, inputs. */
export function rowColumns(choice: ActionChoice): RowColumn[] {
  const plans = choice.preset === null ? choice.plans : [choice.preset];
  const columns: RowColumn[] = (plans[0]?.identifiers ?? []).map(({ name, form, example }) => ({
    name,
    required: false,
    description: form,
    example,
  }));
  if (choice.preset === null) columns.push(actionColumn(plans));
  const inputs = new Map(
    plans.flatMap((plan) => plan.inputs.map((input) => [input.attribute.name, input] as const)),
  );
  for (const [name, { attribute, type }] of inputs) {
    const { form, example } = type;
    const description = attribute.description === undefined ? form : `${attribute.description}. ${form}`;
    columns.push({ name, required: plans.every((plan) => isRequired(plan, name)), description, example });
  }
  return columns;
}

function actionColumn(plans: readonly ActionPlan[]): RowColumn {
  const names = plans.map(({ action }) => action.name);
  return {
    name: ACTION_NAME_COLUMN,
    required: true,
    description: `What to do: ${names.join(', ')}`,
    example: names[0] ?? '',
  };
}

function isRequired(plan: ActionPlan, name: string): boolean {
  return plan.inputs.some((input) => input.required && input.attribute.name === name);
}
