import type { ApiKeyResource } from '../auth/api-keys.service.js';
import type { BatchResource, CreationAnswer } from '../batches/batch-resource.js';
import { BATCH_STATUSES, isTerminal } from '../batches/batch-state.js';
import type { PreviewedRecord } from '../batches/previews.sql.js';
import type { ImportProcessSummary } from '../import-processes/import-process.js';
import type { RecordResource } from '../import-queue/result-download.js';
import {
  type AcceptedBatch,
  batchHasEnded,
  type ClientApiKey,
  type ClientBatch,
  type ClientImportProcess,
  type ClientPreviewItem,
  type ClientRecord,
} from './client-types.js';

/** Compiles only if the answers of the service are what the client expects. */
export const agreement = {
  acceptedBatch: (answer: CreationAnswer): AcceptedBatch => answer,
  batch: (answer: BatchResource): ClientBatch => answer,
  record: (answer: Omit<RecordResource, 'record'>): Omit<ClientRecord, 'record'> => answer,
  previewItem: (answer: PreviewedRecord): ClientPreviewItem => answer,
  importProcess: (answer: ImportProcessSummary): ClientImportProcess => answer,
  apiKey: (answer: ApiKeyResource): ClientApiKey => answer,
};

describe('batchHasEnded', () => {
  it.each(BATCH_STATUSES)('knows whether a batch that is %s can change', (status) => {
    expect(batchHasEnded(status)).toBe(isTerminal(status));
  });
});
