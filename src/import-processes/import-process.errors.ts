import { DomainError, type ProblemDetail } from '../platform/domain-error.js';

export function importProcessNotFound(id: number | string): DomainError {
  return new DomainError(
    404,
    'import_process_not_found',
    'There is no such import process',
    `There is no import process ${id}. GET /API/WorkflowImportQueue/ImportProcesses lists those there are.`,
  );
}

export function importProcessDisabled(id: number, name: string): DomainError {
  return new DomainError(
    409,
    'import_process_disabled',
    'The import process is disabled',
    `Import process ${id} ("${name}") is disabled and takes no new batches. Use another one, or set its status to "active".`,
  );
}

export function importProcessInUse(id: number, cause: unknown): DomainError {
  return new DomainError(
    409,
    'import_process_in_use',
    'The import process has batches',
    `Batches were imported with import process ${id}, so it cannot be deleted. Set its status to "disabled" instead: it then takes no new batches.`,
    { cause },
  );
}

export function importProcessNameTaken(name: string, cause: unknown): DomainError {
  return new DomainError(
    409,
    'import_process_name_taken',
    'The name is taken',
    `An import process named "${name}" exists already. Choose another name.`,
    { cause },
  );
}

export function importProcessChangedMeanwhile(id: number, sent: number, current: number): DomainError {
  return new DomainError(
    409,
    'version_conflict',
    'The import process has changed meanwhile',
    `What was sent says it starts from version ${sent} of import process ${id}, but version ${current} is the current one. Read it again, or leave "version" out to replace it whatever it is.`,
    { extensions: { currentVersion: current } },
  );
}

export function invalidImportProcess(errors: readonly ProblemDetail[]): DomainError {
  return new DomainError(
    400,
    'invalid_import_process',
    'The import process is not usable',
    `Nothing was saved: ${errors.length === 1 ? 'one thing is' : `${errors.length} things are`} wrong with the import process that was sent; "errors" names each.`,
    { errors: errors.slice(0, 100), errorCount: errors.length },
  );
}

export function importProcessUnusable(
  { id, name }: { id: number; name: string },
  errors: readonly ProblemDetail[],
  cause: unknown,
): DomainError {
  return new DomainError(
    409,
    'import_process_unusable',
    'The import process no longer fits what it refers to',
    `Import process ${id} ("${name}") was right when it was saved, but what it refers to has changed since; "errors" names what no longer fits. Save it anew.`,
    { cause, errors: errors.slice(0, 100), errorCount: errors.length },
  );
}
