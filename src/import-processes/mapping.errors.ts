import {
  defineErrors,
  type DomainError,
  MAX_LISTED_ERRORS,
  type ProblemDetail,
} from '../platform/domain-error.js';
import { httpErrors } from '../platform/http/http.errors.js';

/** Errors of saved mappings. */
const mappingErrors = defineErrors({
  invalid_mapping: { status: 400, title: 'The mapping is invalid' },
  mapping_not_found: { status: 404, title: 'The saved mapping does not exist' },
  mapping_name_taken: { status: 409, title: 'The name of the mapping is already in use' },
  too_many_mappings: { status: 409, title: 'The import process has too many saved mappings' },
});

export function mappingNotFound(name: string): DomainError {
  return mappingErrors.mapping_not_found(
    `The import process has no saved mapping named "${name.slice(0, 200)}". GET …/ImportProcesses/{id}/Mappings lists the existing ones.`,
  );
}

export function mappingNameTaken(name: string): DomainError {
  return mappingErrors.mapping_name_taken(
    `A mapping named "${name}" already exists. Choose another name, or replace it with PUT.`,
  );
}

export function tooManyMappings(most: number): DomainError {
  return mappingErrors.too_many_mappings(
    `An import process has at most ${most} saved mappings. Remove one that is no longer needed.`,
  );
}

export function mappingChangedMeanwhile(name: string, sent: number, current: number): DomainError {
  return httpErrors.version_conflict(
    `You edited version ${sent} of the mapping "${name}", but the current version is ${current}. Read it again, or omit "version" to replace any version.`,
    { extensions: { currentVersion: current } },
  );
}

export function invalidMapping(errors: readonly ProblemDetail[]): DomainError {
  return mappingErrors.invalid_mapping(
    `Nothing was saved. The mapping has ${errors.length === 1 ? 'one mistake' : `${errors.length} mistakes`}; "errors" lists each with its place.`,
    { errors: errors.slice(0, MAX_LISTED_ERRORS), errorCount: errors.length },
  );
}
