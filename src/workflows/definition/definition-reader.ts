import type { ErrorObject } from 'ajv';
import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import { createAjv, describeError } from '../../platform/json/json-schema.js';
import { type JsonObject, jsonPointer } from '../../platform/json/json-value.js';
import { nearestName } from '../../platform/wording.js';
import type { WorkflowDefinition } from '../definition.js';
import { definitionRuleProblems } from './definition-rules.js';
import { DEFINITION_SCHEMA } from './definition-schema.js';

// Not `strict`: this schema is ours. `verbose` tells which members the schema knows, for hints.
const validate = createAjv({ allErrors: true, verbose: true }).compile(DEFINITION_SCHEMA);

/** Where a definition has another shape than `DEFINITION_SCHEMA`; the path of each place is its pointer. */
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
      const nearest = nearestName(String(error.data), namesIn(error.schema));
      return { pointer, code: 'unknown_value', message: `${message}${hint(nearest)}` };
    }
    default:
      return { pointer, code: 'invalid_value', message };
  }
}

function unknownMember(error: ErrorObject): ProblemDetail {
  const member = String((error.params as { additionalProperty?: unknown }).additionalProperty);
  const pointer = `${error.instancePath}${jsonPointer(member)}`;
  const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {});
  const message = `is not a member that is known here${hint(nearestName(member, known))}`;
  return { pointer, code: 'unknown_member', message };
}

function nameRule(error: ErrorObject): string {
  return error.instancePath === '/name'
    ? 'must consist of letters, digits, "-", "_" and ".", and begin with a letter or digit'
    : 'must be one line of text with no white space at its ends';
}

function namesIn(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
}

function hint(nearest: string | undefined): string {
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

const MOST_SHOWN = 100;

/** A definition as it was sent, and the version it was made from, if it says. */
export interface ReadDefinition {
  definition: WorkflowDefinition;
  version: number | undefined;
}

/**
 * The only way from JSON that somebody wrote to a definition: routes and files go through it. `name` is that of
 * the workflow it is to replace: import processes and instances refer to it, so it stays.
 * @throws DomainError 400 `invalid_definition` naming every mistake with its pointer
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
    return [{ pointer: '', code: 'nesting_too_deep', message: 'is nested deeper than any definition' }];
  }
}

function invalidDefinition(problems: readonly ProblemDetail[]): DomainError {
  return new DomainError(
    400,
    'invalid_definition',
    'The workflow definition is not usable',
    `Nothing was saved: ${problems.length === 1 ? 'there is one mistake' : `there are ${problems.length} mistakes`} in the definition that was sent; "errors" names each with its place.`,
    { errors: problems.slice(0, MOST_SHOWN), errorCount: problems.length },
  );
}
