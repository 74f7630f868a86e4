/** Who made a batch, as `IMPORT_QUEUE_BATCH.CREATION_PATH` says it. */
export const API_CREATION_PATH = 'IMPORT_QUEUE_API';
export const UI_CREATION_PATH = 'IMPORT_QUEUE_UI';
export const RETRY_CREATION_PATH = 'IMPORT_QUEUE_RETRY';

/** The stored value of a batch made by the API: `IMPORT_QUEUE_API:LH` for `LH`, the bare prefix where none was given. */
export function apiCreationPath(given: string | undefined): string {
  return given === undefined ? API_CREATION_PATH : `${API_CREATION_PATH}:${given}`;
}
