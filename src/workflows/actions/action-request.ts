import { isUtf8 } from 'node:buffer';
import { findDuplicateKey } from '../../formats/json/json-members.js';
import { findTooDeepNesting, MAX_NESTING } from '../../formats/json/json-members.js';
import { duplicateKeyError } from '../../formats/record-reader.js';
import { invalidBody, malformedJson, missingBody } from '../../platform/http/http.errors.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import type { WorkflowDefinition } from '../definition.js';
import type { StepAction } from '../rows/row-reader.js';
import { actionAmbiguous, actionNotFound } from './action.errors.js';

/**
 * Finds the action that the URL names, first by name, then by id. Names are unique only within a step.
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

/** A row as the client sent it: parsed, and as text, because parsing can drop digits of a number. */
export interface ActionBody {
  row: JsonObject;
  raw: string;
}

/**
 * Reads the body like a line of a batch, except that the body may span several lines.
 * @param body bytes; any other value was not sent as JSON
 * @throws DomainError 400 `missing_body`, `malformed_json`, `invalid_body`
 */
export function readActionBody(body: unknown): ActionBody {
  if (!Buffer.isBuffer(body)) throw missingBody();
  if (!isUtf8(body)) throw malformedJson('it is not UTF-8');
  const raw = new TextDecoder().decode(body);
  const row = parse(raw);
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalidBody([{ pointer: '', code: 'not_an_object', message: 'the body must be a JSON object' }]);
  }
  if (findTooDeepNesting(raw, MAX_NESTING) !== -1) {
    const message = `objects and arrays are nested deeper than ${MAX_NESTING} levels`;
    throw invalidBody([{ pointer: '', code: 'nesting_too_deep', message }]);
  }
  const duplicate = findDuplicateKey(raw, row);
  if (duplicate !== null) throw invalidBody([{ pointer: '', ...duplicateKeyError(duplicate) }]);
  return { row: row as JsonObject, raw };
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw malformedJson((error as Error).message, error);
  }
}
