import { DomainError, type ProblemDetail } from '../common/domain.error.js';
import type { JsonObject } from '../common/json.js';
import { definitionRuleProblems } from './definition-rules.js';
import { definitionShapeProblems } from './definition-shape.js';
import type { WorkflowDefinition } from './definition.js';

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
