import { DomainError } from '../../common/domain.error.js';

export function batchNotFound(id: number | string): DomainError {
  return new DomainError(
    404,
    'batch_not_found',
    'There is no such batch',
    `There is no batch ${id}. GET /API/WorkflowImportQueue/Batches lists those there are.`,
  );
}
