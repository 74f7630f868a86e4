import type { RecordError, RecordOutcome } from '../../targets/target.js';

export const PREVIEW_OPERATIONS = ['create', 'update', 'unchanged', 'skip', 'reject'] as const;
/** What a record would turn into. */
export type PreviewOperation = (typeof PREVIEW_OPERATIONS)[number];
export type PreviewCounts = Record<PreviewOperation, number>;

export interface PreviewedRecord {
  line: number;
  operation: PreviewOperation;
  /** What it would touch; `null` for what does not exist yet. */
  reference: string | null;
  /** Why it would be rejected. */
  error: RecordError | null;
}

/** As it is stored: names would be most of it. */
export type StoredPreview = [
  line: number,
  operation: PreviewOperation,
  reference: string | null,
  ...error: [] | [code: string, message: string, pointer: string | null],
];

const OPERATIONS = { created: 'create', updated: 'update', unchanged: 'unchanged' } as const;

export function toStored(outcome: RecordOutcome): StoredPreview {
  const { line, reference } = outcome;
  switch (outcome.status) {
    case 'succeeded':
      return [line, OPERATIONS[outcome.operation], reference];
    case 'skipped':
      return [line, 'skip', reference];
    case 'failed': {
      const { code, message, pointer } = outcome.error;
      return [line, 'reject', reference, code, message, pointer ?? null];
    }
  }
}

export function fromStored([line, operation, reference, ...error]: StoredPreview): PreviewedRecord {
  const [code, message, pointer] = error;
  if (code === undefined || message === undefined) return { line, operation, reference, error: null };
  return { line, operation, reference, error: { code, message, ...(pointer != null && { pointer }) } };
}

export function countOperations(previews: readonly StoredPreview[]): PreviewCounts {
  const counts: PreviewCounts = { create: 0, update: 0, unchanged: 0, skip: 0, reject: 0 };
  for (const [, operation] of previews) counts[operation] += 1;
  return counts;
}
