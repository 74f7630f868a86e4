import type { BatchStatus } from '../import-queue/batch-state.js';
import { oneLine } from './one-line.js';

/** How a batch ended, as mails tell it; also the name of the templates. */
export type MailedOutcome = 'succeeded' | 'finished-with-errors' | 'failed' | 'canceled';

/** @throws Error for a batch that has not ended: nobody is told of that */
export function outcomeOf(status: BatchStatus): MailedOutcome {
  switch (status) {
    case 'completed':
      return 'succeeded';
    case 'completed_with_errors':
      return 'finished-with-errors';
    case 'failed':
      return 'failed';
    case 'canceled':
      return 'canceled';
    default:
      throw new Error(`a batch that is ${status} has no outcome yet`);
  }
}

const WORDS: Readonly<Record<MailedOutcome, string>> = {
  succeeded: 'Import succeeded',
  'finished-with-errors': 'Import finished with errors',
  failed: 'Import failed',
  canceled: 'Import canceled',
};

/** What clients filter their mail by; it begins the same whatever the file is called. */
export function subjectOf(outcome: MailedOutcome, fileName: string): string {
  return `${WORDS[outcome]}: ${oneLine(fileName)}`;
}
