/** How a batch was created: the values of `IMPORT_QUEUE_BATCH.CREATION_PATH`. */
export const API_CREATION_PATH = 'IMPORT_QUEUE_API';
export const UI_CREATION_PATH = 'IMPORT_QUEUE_UI';
export const RETRY_CREATION_PATH = 'IMPORT_QUEUE_RETRY';

/** The stored value for a batch of the API: `IMPORT_QUEUE_API:LH` for `LH`, the bare prefix if none was given. */
export function apiCreationPath(given: string | undefined): string {
  return given === undefined ? API_CREATION_PATH : `${API_CREATION_PATH}:${given}`;
}

/** The import process of a batch, in the version by which all of its records are processed. */
interface BatchProcess {
  id: number;
  version: number;
  workflowVersion: number | null;
}

/** The members of a batch that pin it to a version of its import process. */
export function pinnedTo({ id, version, workflowVersion }: BatchProcess) {
  return { importProcessId: id, importProcessVersion: version, workflowVersion };
}

/** The addresses that get a mail when the batch has ended; an address that was not given is stored as null. */
export function mailAddresses(given: {
  sendSuccessEmailTo?: string | null;
  sendFailureEmailTo?: string | null;
}) {
  return {
    sendSuccessEmailTo: given.sendSuccessEmailTo ?? null,
    sendFailureEmailTo: given.sendFailureEmailTo ?? null,
  };
}
