import { defineErrors, type DomainError, MAX_LISTED_ERRORS, type ProblemDetail } from '../platform/errors.js';
import { httpErrors } from '../platform/http/http.errors.js';

/** Errors of the routes about import processes. */
export const importProcessErrors = defineErrors({
  invalid_import_process: { status: 400, title: 'The import process is invalid' },
  import_process_not_found: { status: 404, title: 'The import process does not exist' },
  import_process_disabled: { status: 409, title: 'The import process is disabled' },
  import_process_in_use: { status: 409, title: 'The import process has batches' },
  import_process_name_taken: { status: 409, title: 'The name is already in use' },
  import_process_key_taken: { status: 409, title: 'The key is already in use' },
  import_process_unusable: { status: 409, title: 'The import process no longer fits what it refers to' },
  target_not_built_in: { status: 409, title: 'The target of the import process is missing' },
});

export function importProcessNotFound(id: number | string): DomainError {
  return importProcessErrors.import_process_not_found(
    `Import process ${id} does not exist. GET /API/WorkflowImportQueue/ImportProcesses lists the existing ones.`,
  );
}

export function importProcessDisabled(id: number, name: string): DomainError {
  return importProcessErrors.import_process_disabled(
    `Import process ${id} ("${name}") is disabled and takes no new batches. Use another one, or set its status to "active".`,
  );
}

export function importProcessInUse(id: number, cause: unknown): DomainError {
  return importProcessErrors.import_process_in_use(
    `Import process ${id} has batches, so it cannot be deleted. Set its status to "disabled" instead: it then takes no new batches.`,
    { cause },
  );
}

export function importProcessNameTaken(name: string, cause: unknown): DomainError {
  return importProcessErrors.import_process_name_taken(
    `An import process named "${name}" already exists. Choose another name.`,
    { cause },
  );
}

export function importProcessKeyTaken(key: string, cause: unknown): DomainError {
  return importProcessErrors.import_process_key_taken(
    `An import process with the key "${key}" already exists. Choose another key.`,
    { cause },
  );
}

export function importProcessChangedMeanwhile(id: number, sent: number, current: number): DomainError {
  return httpErrors.version_conflict(
    `You edited version ${sent} of import process ${id}, but the current version is ${current}. Read the import process again, or omit "version" to replace any version.`,
    { extensions: { currentVersion: current } },
  );
}

export function invalidImportProcess(errors: readonly ProblemDetail[]): DomainError {
  return importProcessErrors.invalid_import_process(
    `Nothing was saved. The import process has ${errors.length === 1 ? 'one mistake' : `${errors.length} mistakes`}; "errors" lists each with its place.`,
    listed(errors),
  );
}

/** The import process was valid when it was saved, but something it refers to has changed since. */
export function importProcessUnusable(
  { id, name }: { id: number; name: string },
  errors: readonly ProblemDetail[],
  cause: unknown,
): DomainError {
  return importProcessErrors.import_process_unusable(
    `Import process ${id} ("${name}") was valid when it was saved, but what it refers to has changed since; "errors" lists what no longer fits. Correct the import process and save it again.`,
    { ...listed(errors), cause },
  );
}

/** The import process was saved by an application that had the target. */
export function targetNotBuiltIn(kind: string, kinds: readonly string[]): DomainError {
  return importProcessErrors.target_not_built_in(
    `The import process sends its records to a target of kind "${kind}", which this installation does not have. Built in: ${kinds.join(', ')}.`,
  );
}

function listed(errors: readonly ProblemDetail[]) {
  return { errors: errors.slice(0, MAX_LISTED_ERRORS), errorCount: errors.length };
}

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
