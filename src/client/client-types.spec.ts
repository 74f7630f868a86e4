import type { ApiKeyResource } from '../auth/api-keys.dto.js';
import type { BatchResource, CreationAnswer } from '../batches/batch-resource.js';
import { BATCH_STATUSES, isTerminal } from '../batches/batch-state.js';
import type { PreviewedRecord } from '../batches/previews.sql.js';
import type { ImportProcessSummary } from '../import-processes/import-process.js';
import type { RecordResource } from '../import-queue/record-json.js';
import {
  type AcceptedBatch,
  type ClientApiKey,
  type ClientBatch,
  type ClientImportProcess,
  type ClientPreviewItem,
  type ClientRecord,
  hasEnded,
} from './client-types.js';

type Answers<Expected, _Answer extends Expected> = Expected;

/** Compiles only if the answers of the service are what the client expects. */
type _Agreement = [
  Answers<AcceptedBatch, CreationAnswer>,
  Answers<ClientBatch, BatchResource>,
  Answers<Omit<ClientRecord, 'record'>, Omit<RecordResource, 'record'>>,
  Answers<ClientPreviewItem, PreviewedRecord>,
  Answers<ClientImportProcess, ImportProcessSummary>,
  Answers<ClientApiKey, ApiKeyResource>,
];

describe('hasEnded', () => {
  it.each(BATCH_STATUSES)('knows whether a batch that is %s can change', (status) => {
    expect(hasEnded(status)).toBe(isTerminal(status));
  });
});
