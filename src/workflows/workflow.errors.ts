import { defineErrors, DomainError } from '../platform/errors.js';
import { httpErrors } from '../platform/http/http.errors.js';
import { nearestName } from '../platform/wording.js';
import type { RecordError } from '../records/target.js';
import type { StepAction } from './rows/row-reader.js';
import { shortened } from './rows/values/value-type.js';

/** Errors of the routes about workflows and their instances. */
export const workflowErrors = defineErrors({
  invalid_definition: { status: 400, title: 'The workflow definition is invalid' },
  workflow_not_found: { status: 404, title: 'The workflow does not exist' },
  workflow_name_taken: { status: 409, title: 'The name is already in use' },
  identifier_in_use: { status: 409, title: 'Instances are found by this identifier' },
  workflow_not_allowed: { status: 403, title: 'The credentials do not cover this workflow' },
  workflow_instance_not_found: { status: 404, title: 'The instance does not exist' },
  behavior_not_found: { status: 404, title: 'The behavior does not exist' },
});

export function workflowNotFound(name: string): DomainError {
  return workflowErrors.workflow_not_found(
    `No workflow is named "${name}". GET /API/Workflows lists the existing ones.`,
  );
}

export function workflowNameTaken(name: string, cause: unknown): DomainError {
  return workflowErrors.workflow_name_taken(
    `A workflow named "${name}" already exists. Choose another name, or PUT /API/Workflows/${name} to make a new version of it.`,
    { cause },
  );
}

export function workflowChangedMeanwhile(name: string, sent: number, current: number): DomainError {
  return httpErrors.version_conflict(
    `The definition you sent is based on version ${sent} of "${name}", but the current version is ${current}. Read the definition again, or omit "version" to replace any version.`,
    { extensions: { currentVersion: current } },
  );
}

export function identifiersInUse(names: readonly string[]): DomainError {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  return workflowErrors.identifier_in_use(
    `Instances already have ${quoted}. You can no longer change whether it is unique or case-insensitive: existing instances would not be found and would be created a second time. Nothing was saved. Add an identifier with another name, or create another workflow.`,
  );
}

export function workflowInstanceNotFound(workflow: string | undefined, id: string): DomainError {
  const place = workflow === undefined ? '' : ` in workflow "${workflow}"`;
  return workflowErrors.workflow_instance_not_found(`Instance ${id} does not exist${place}.`);
}

export function workflowNotAllowed(name: string): DomainError {
  return workflowErrors.workflow_not_allowed(
    `These credentials are limited to certain import processes, and none of them works on "${name}".`,
  );
}

export function behaviorNotFound(id: string): DomainError {
  return workflowErrors.behavior_not_found(
    `The instance has no mail or webhook ${id}. GET the instance to list its behaviors.`,
  );
}

export function behaviorIsBeingSent(id: number): DomainError {
  return httpErrors.state_conflict(
    `Behavior ${id} is being sent right now. Check its status in a moment, and resend it if it is still needed.`,
    { extensions: { currentStatus: 'sending' } },
  );
}

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
