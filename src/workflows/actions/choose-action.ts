import type { WorkflowDefinition } from '../definition.js';
import type { StepAction } from '../rows/parsed-row.js';
import { actionAmbiguous, actionNotFound } from './action.errors.js';

/**
 * The action that an address means: by its name, else by its id. Names are unique within a step only.
 * @throws DomainError 404 `action_not_found`, 409 `ambiguous_action`
 */
export function chooseAction({ name, steps }: WorkflowDefinition, wanted: string): StepAction {
  const actions = steps.flatMap((step) => step.actions.map((action) => ({ ...action, step: step.name })));
  const named = actions.filter((action) => action.name === wanted);
  if (named.length > 1) throw actionAmbiguous(wanted, named);
  const chosen = named[0] ?? actions.find(({ id }) => String(id) === wanted);
  if (chosen === undefined) throw actionNotFound(name, wanted, actions);
  return chosen;
}
