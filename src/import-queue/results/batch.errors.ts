import { DomainError } from '../../common/domain.error.js';

export function batchNotFound(id: number | string): DomainError {
  return new DomainError(
    404,
    'batch_not_found',
    'There is no such batch',
    `There is no batch ${id}. GET /API/WorkflowImportQueue/Batches lists those there are.`,
  );
}

export function batchExpired(id: number, expiredAt: Date): DomainError {
  return new DomainError(
    410,
    'batch_expired',
    'The records of the batch are no longer kept',
    `The retention of batch ${id} was over at ${expiredAt.toISOString()}, and its records were deleted. Its counts are still at /API/WorkflowImportQueue/Batches/${id}.`,
  );
}
