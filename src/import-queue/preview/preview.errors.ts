import { DomainError } from '../../common/domain.error.js';

export function previewNotSupported(kind: string): DomainError {
  return new DomainError(
    409,
    'preview_not_supported',
    'There is no preview for this import process',
    `A target of kind "${kind}" cannot say what will become of a record before it has tried.`,
  );
}

export function tooLateForPreview(batchId: number, status: string): DomainError {
  return new DomainError(
    409,
    'state_conflict',
    'The batch is not in a state for that',
    `Batch ${batchId} is ${status} and has no preview: only an upload that awaits confirmation can be looked at beforehand.`,
    { extensions: { currentStatus: status } },
  );
}

export function tooManyToPreview(limit: number): DomainError {
  return new DomainError(
    409,
    'too_many_records_to_preview',
    'The batch is too large for a preview',
    `At most ${limit} records are looked at beforehand. The batch can be confirmed without.`,
    { limit },
  );
}
