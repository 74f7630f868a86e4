import type { ErrorObject } from 'ajv';
import type { ProblemDetail } from '../common/domain.error.js';
import { createAjv } from '../common/json-schema.js';
import { jsonPointer } from '../common/json-pointer.js';
import { nearestName } from '../common/nearest-name.js';
import { describeError } from '../common/schema-violation.js';
import { DEFINITION_SCHEMA } from './definition-schema.js';

// Not `strict`: this schema is ours. `verbose` tells which members the schema knows, for hints.
const validate = createAjv({ allErrors: true, verbose: true }).compile(DEFINITION_SCHEMA);

/** Where a definition has another shape than `DEFINITION_SCHEMA`; the path of each place is its pointer. */
export function definitionShapeProblems(source: unknown): ProblemDetail[] {
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
