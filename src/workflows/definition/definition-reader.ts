import type { ErrorObject } from 'ajv';
import { type DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../../platform/errors.js';
import { createAjv, describeError } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { jsonPointer } from '../../platform/wording.js';
import { DEFINITION_SCHEMA, hint, type WorkflowDefinition } from '../definition.js';
import { workflowErrors } from '../workflow.errors.js';
import { definitionRuleProblems } from './definition-rules.js';

// Not `strict`, because the schema is our own. `verbose` adds the known members to errors, for hints.
const validate = createAjv({ allErrors: true, verbose: true }).compile(DEFINITION_SCHEMA);

/** The places where the shape of a definition differs from `DEFINITION_SCHEMA`. */
function definitionShapeProblems(source: unknown): ProblemDetail[] {
  return validate(source) ? [] : (validate.errors ?? []).map(toProblem);
}

function toProblem(error: ErrorObject): ProblemDetail {
  const { pointer, keyword, message } = describeError(error);
  switch (keyword) {
    case 'additionalProperties':
      return unknownMember(error);
    case 'required':
      return { pointer, code: 'required', message };
    case 'pattern':
      return { pointer, code: 'invalid_name', message: nameRule(error) };
    case 'enum': {
      const known = hint(String(error.data), namesIn(error.schema));
      return { pointer, code: 'unknown_value', message: `${message}${known}` };
    }
    default:
      return { pointer, code: 'invalid_value', message };
  }
}

function unknownMember(error: ErrorObject): ProblemDetail {
  const member = String((error.params as { additionalProperty?: unknown }).additionalProperty);
  const pointer = `${error.instancePath}${jsonPointer(member)}`;
  const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {});
  const message = `is not a known member${hint(member, known)}`;
  return { pointer, code: 'unknown_member', message };
}

function nameRule(error: ErrorObject): string {
  return error.instancePath === '/name'
    ? 'must consist of letters, digits, "-", "_" and ".", and begin with a letter or digit'
    : 'must be one line of text without white space at its ends';
}

function namesIn(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
}

/** A definition from a request or file, and the version it is based on, if stated. */
export interface ReadDefinition {
  definition: WorkflowDefinition;
  version: number | undefined;
}

/**
 * The only way from JSON to a definition: routes and files use it. `name` is the workflow to replace; it cannot change,
 * because import processes and instances refer to it.
 * @throws DomainError 400 `invalid_definition` that lists every mistake with its pointer
 */
export function readDefinition(source: unknown, name?: string): ReadDefinition {
  const problems = definitionProblems(source, name);
  if (problems.length > 0) throw invalidDefinition(problems);
  const { version, ...definition } = source as WorkflowDefinition & { version?: number };
  return { definition, version };
}

function definitionProblems(source: unknown, name: string | undefined): ProblemDetail[] {
  const shape = shapeProblems(source);
  if (typeof source !== 'object' || source === null || Array.isArray(source)) return shape;
  const rules = definitionRuleProblems(source as JsonObject);
  if (name !== undefined && 'name' in source && source.name !== name) {
    rules.push({
      pointer: '/name',
      code: 'name_changed',
      message: `must be ${JSON.stringify(name)}, as in the address: a workflow keeps its name`,
    });
  }
  return [...shape, ...rules.filter(({ pointer }) => !shape.some((problem) => problem.pointer === pointer))];
}

function shapeProblems(source: unknown): ProblemDetail[] {
  try {
    return definitionShapeProblems(source);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [{ pointer: '', code: 'nesting_too_deep', message: 'is nested too deeply' }];
  }
}

function invalidDefinition(problems: readonly ProblemDetail[]): DomainError {
  const mistakes = problems.length === 1 ? 'one mistake' : `${problems.length} mistakes`;
  return workflowErrors.invalid_definition(
    `Nothing was saved. The definition has ${mistakes}; "errors" lists each with its place.`,
    { errors: problems.slice(0, MAX_LISTED_ERRORS), errorCount: problems.length },
  );
}
