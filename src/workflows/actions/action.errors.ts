import { defineErrors, DomainError } from '../../platform/domain-error.js';
import { nearestName } from '../../platform/wording.js';
import type { RecordError } from '../../records/target.js';
import { workflowErrors } from '../definition/workflow.errors.js';
import type { StepAction } from '../rows/row-reader.js';
import { shortened } from '../rows/values/value-type.js';

/** Errors of the route that performs one action. An error that would reject a record keeps the record's code. */
export const actionErrors = defineErrors({
  action_not_found: { status: 404, title: 'The action does not exist' },
  ambiguous_action: { status: 409, title: 'Several actions have this name' },
});

const MOST_NAMED = 20;

export function actionNotFound(
  workflow: string,
  wanted: string,
  actions: readonly StepAction[],
): DomainError {
  const nearest = nearestName(
    wanted,
    actions.map(({ name }) => name),
  );
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  const known = actions.slice(0, MOST_NAMED).map(described).join(', ');
  const rest = actions.length > MOST_NAMED ? ` and ${actions.length - MOST_NAMED} more` : '';
  return actionErrors.action_not_found(
    `Workflow "${workflow}" has no action with the name or id "${shortened(wanted)}".${hint} Its actions: ${known || 'none'}${rest}.`,
  );
}

export function actionAmbiguous(wanted: string, named: readonly StepAction[]): DomainError {
  return actionErrors.ambiguous_action(
    `Several steps have an action "${wanted}". Use its id instead: ${named.map(described).join(', ')}.`,
  );
}

function described({ id, name, step }: StepAction): string {
  return `${id} ("${name}" of step "${step}")`;
}

/** The error that a record would get becomes the whole response. */
export function actionRefused(status: 400 | 409, { code, message, pointer }: RecordError): DomainError {
  const detail = `Nothing was changed: ${message}.`.replace(/\.\.$/, '.');
  const error = { ...(pointer !== undefined && { pointer }), code, message };
  return new DomainError({ status, code, title: 'The action was not performed', detail, errors: [error] });
}

export function actionsOutsideProcesses(): DomainError {
  return workflowErrors.workflow_not_allowed(
    'These credentials are limited to certain import processes, and a single action belongs to none of them. Send a batch with one record, or use a key without this limit.',
  );
}
