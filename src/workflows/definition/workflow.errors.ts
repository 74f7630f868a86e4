import { DomainError } from '../../platform/domain-error.js';

export function workflowNotFound(name: string): DomainError {
  return new DomainError(
    404,
    'workflow_not_found',
    'There is no such workflow',
    `There is no workflow named "${name}". GET /API/Workflows lists those there are.`,
  );
}

export function workflowNameTaken(name: string, cause: unknown): DomainError {
  return new DomainError(
    409,
    'workflow_name_taken',
    'The name is taken',
    `A workflow named "${name}" exists already. Choose another name, or PUT /API/Workflows/${name} to make a new version of it.`,
    { cause },
  );
}

export function workflowChangedMeanwhile(name: string, sent: number, current: number): DomainError {
  return new DomainError(
    409,
    'version_conflict',
    'The definition has changed meanwhile',
    `What was sent says it starts from version ${sent} of "${name}", but version ${current} is the current one. Read it again, or leave "version" out to replace it whatever it is.`,
    { extensions: { currentVersion: current } },
  );
}

export function identifiersInUse(names: readonly string[]): DomainError {
  const quoted = names.map((name) => `"${name}"`).join(', ');
  return new DomainError(
    409,
    'identifier_in_use',
    'Instances are found by this identifier',
    `There are instances with ${quoted}. Whether it is unique and whether case counts cannot change any more, else they would not be found and be created again. Nothing was saved: add an identifier of another name, or make another workflow.`,
  );
}

export function workflowInstanceNotFound(workflow: string | undefined, id: string): DomainError {
  return new DomainError(
    404,
    'workflow_instance_not_found',
    'There is no such instance',
    `There is no instance ${id}${workflow === undefined ? '' : ` of workflow "${workflow}"`}.`,
  );
}

export function workflowNotAllowed(name: string): DomainError {
  return new DomainError(
    403,
    'workflow_not_allowed',
    'The credentials do not reach this workflow',
    `These credentials are for certain import processes only, and none of them works on "${name}".`,
  );
}

export function behaviorNotFound(id: string): DomainError {
  return new DomainError(
    404,
    'behavior_not_found',
    'There is no such behavior',
    `The instance has no mail and no webhook ${id}. GET the instance lists those it has.`,
  );
}

export function behaviorIsBeingSent(id: number): DomainError {
  return new DomainError(
    409,
    'state_conflict',
    'It is being sent',
    `Behavior ${id} is being sent at this moment. Look at its status in a while, and ask again if it still needs it.`,
    { extensions: { currentStatus: 'sending' } },
  );
}
