import { DomainError } from '../../platform/domain-error.js';
import { nearestName } from '../../platform/wording.js';
import type { RecordError } from '../../records/target.js';
import type { StepAction } from '../rows/parsed-row.js';
import { shortened } from '../rows/values/row-errors.js';

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
  const known = actions.slice(0, MOST_NAMED).map(told).join(', ');
  const rest = actions.length > MOST_NAMED ? ` and ${actions.length - MOST_NAMED} more` : '';
  return new DomainError(
    404,
    'action_not_found',
    'There is no such action',
    `Workflow "${workflow}" has no action named "${shortened(wanted)}" and none with that id.${hint} It has: ${known || 'none'}${rest}.`,
  );
}

export function actionAmbiguous(wanted: string, named: readonly StepAction[]): DomainError {
  return new DomainError(
    409,
    'ambiguous_action',
    'Several actions have that name',
    `Steps have an action "${wanted}" each: name one by its id instead: ${named.map(told).join(', ')}.`,
  );
}

function told({ id, name, step }: StepAction): string {
  return `${id} ("${name}" of step "${step}")`;
}

/** What would have been the error of a record is the whole answer here. */
export function actionRefused(status: 400 | 409, { code, message, pointer }: RecordError): DomainError {
  const detail = `Nothing was changed: ${message}.`.replace(/\.\.$/, '.');
  const error = { ...(pointer !== undefined && { pointer }), code, message };
  return new DomainError(status, code, 'The action was not performed', detail, { errors: [error] });
}

export function actionsOutsideProcesses(): DomainError {
  return new DomainError(
    403,
    'workflow_not_allowed',
    'The credentials do not reach this workflow',
    'These credentials are for certain import processes only, and an action that is performed by itself belongs to none. Use a batch of one record, or a key for all import processes.',
  );
}
