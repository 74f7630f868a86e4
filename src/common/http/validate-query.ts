import type { ClassConstructor } from 'class-transformer';
import type { ProblemDetail } from '../domain.error.js';
import { nearestName } from '../nearest-name.js';
import { invalidParameters } from './invalid-request.js';
import { instantiate, knownNames } from './violations.js';

/**
 * A query as a DTO, strictly: a mistyped name must not be swallowed, and of a repeated one nobody knows which is
 * meant. Works on what `parseQuery` answers, where `a[b]=c` is a parameter named `a[b]`.
 * @throws DomainError 400 that names every wrong parameter: `unknown_parameter` if there is one, else
 *   `repeated_parameter` if there is one, else `missing_parameter`, `invalid_parameter`, or `invalid_parameters` for
 *   both
 */
export function validateQuery<Dto extends object>(type: ClassConstructor<Dto>, query: object): Dto {
  const known = knownNames(type);
  const errors: ProblemDetail[] = [];
  const given: Record<string, string> = {};
  const unreadable = new Set<string>();
  const repeated = new Set<string>();
  for (const [parameter, value] of Object.entries(query) as [string, unknown][]) {
    if (!known.has(parameter)) errors.push(unknownParameter(parameter, known));
    else if (typeof value !== 'string') repeated.add(parameter);
    else if (value.isWellFormed()) given[parameter] = value;
    else unreadable.add(parameter);
  }
  for (const parameter of repeated) {
    errors.push({ parameter, code: 'repeated_parameter', message: `${parameter} is given more than once` });
  }
  for (const parameter of unreadable) {
    errors.push({
      parameter,
      code: 'invalid_parameter',
      message: `${parameter} must be UTF-8, percent-encoded`,
    });
  }
  const { dto, violations } = instantiate(type, given);
  for (const { path, sentence } of violations) {
    const parameter = String(path[0]);
    if (repeated.has(parameter) || unreadable.has(parameter)) continue;
    errors.push(
      parameter in given
        ? { parameter, code: 'invalid_parameter', message: sentence }
        : { parameter, code: 'missing_parameter', message: `${parameter} is required` },
    );
  }
  if (errors.length > 0) throw invalidParameters(errors);
  return dto;
}

function unknownParameter(parameter: string, known: ReadonlySet<string>): ProblemDetail {
  const shown = (parameter.length > 100 ? `${parameter.slice(0, 100)}…` : parameter).toWellFormed();
  const near = nearestName(parameter, known);
  const hint = near === undefined ? '' : `: did you mean ${near}?`;
  return { parameter: shown, code: 'unknown_parameter', message: `${shown} is not a parameter here${hint}` };
}
