import type { ClassConstructor } from 'class-transformer';
import type { ProblemDetail } from '../domain.error.js';
import { jsonPointer } from '../json-pointer.js';
import { nearestName } from '../nearest-name.js';
import { invalidBody, missingBody } from './invalid-request.js';
import { instantiate, knownNames } from './violations.js';

/**
 * A JSON body as a DTO, strictly: unknown members are refused like wrong ones (at the top; a nested DTO brings its
 * own rules).
 * @throws DomainError 400 `invalid_body` with a pointer to each wrong member, 400 `missing_body`
 */
export function validateBody<Dto extends object>(type: ClassConstructor<Dto>, body: unknown): Dto {
  if (body === undefined) throw missingBody();
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidBody([{ pointer: '', code: 'invalid_value', message: 'the body must be a JSON object' }]);
  }
  const known = knownNames(type);
  const errors: ProblemDetail[] = [];
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body) as [string, unknown][]) {
    if (known.has(name)) given[name] = value;
    else errors.push(unknownMember(name, known));
  }
  const { dto, violations } = instantiate(type, given);
  for (const { path, value, sentence } of violations) {
    const missing = value === undefined;
    errors.push({
      pointer: jsonPointer(...path),
      code: missing ? 'missing_value' : 'invalid_value',
      message: missing ? `${path.join('.')} is required` : sentence,
    });
  }
  if (errors.length > 0) throw invalidBody(errors);
  return dto;
}

function unknownMember(name: string, known: ReadonlySet<string>): ProblemDetail {
  const near = nearestName(name, known);
  const hint = near === undefined ? '' : `: did you mean ${near}?`;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return { pointer: jsonPointer(name), code: 'unknown_member', message: `${shown} is not known here${hint}` };
}
