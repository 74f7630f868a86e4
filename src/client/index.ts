/** A client of the HTTP API without dependencies, for Node and browsers. */
export { RefusedError, UnreachableError } from './client-transport.js';
export type { Body } from './client-transport.js';
export * from './client-types.js';
export {
  type CreateBatchOptions,
  ImportQueueClient,
  type ResultsOptions,
  type UploadOptions,
} from './import-queue-client.js';
