/**
 * Every text of the mails about batches and accounts. A translator needs only this file. Words in braces are filled in when a mail
 * is rendered and must stay; every other word can be changed.
 */

export interface Plural {
  one: string;
  other: string;
}

/** The beginning of the subject. Clients filter their mail by it, so it stays the same in every release. */
export const HEADINGS = {
  succeeded: 'Import succeeded',
  'finished-with-errors': 'Import finished with errors',
  failed: 'Import failed',
  canceled: 'Import canceled',
} as const;

/** The first sentence. {total} reads "1 record" or "2,000 records", {failed} is a number; the count chooses the form. */
export const LEADS: Readonly<Record<keyof typeof HEADINGS, Plural>> = {
  succeeded: {
    one: '{total} from "{fileName}" was imported.',
    other: 'All {total} from "{fileName}" were imported.',
  },
  'finished-with-errors': {
    one: 'The import of "{fileName}" finished with errors: {failed} of {total} could not be imported.',
    other: 'The import of "{fileName}" finished with errors: {failed} of {total} could not be imported.',
  },
  failed: {
    one: 'The import of "{fileName}" failed as a whole.',
    other: 'The import of "{fileName}" failed as a whole.',
  },
  canceled: {
    one: 'The import of "{fileName}" was canceled. Before that, {failed} of {total} could not be imported.',
    other: 'The import of "{fileName}" was canceled. Before that, {failed} of {total} could not be imported.',
  },
};

export const RECORDS: Plural = { one: '{count} record', other: '{count} records' };

/** The labels before values, above lists and on the button. */
export const LABELS = {
  reason: 'Reason',
  results: 'Results',
  openResults: 'Open the results',
  file: 'File',
  fileType: 'File type',
  batch: 'Batch',
  creationPath: 'Creation path',
  startedBy: 'Started by',
  received: 'Received',
  ended: 'Ended',
  duration: 'Duration',
  records: 'Records',
  operations: 'Operations',
  firstErrors: 'First errors',
  line: 'line',
} as const;

/** The names of states and operations, also in the sum: "998 succeeded + 2 invalid = 1,000 records received". */
export const STATES = {
  succeeded: 'succeeded',
  failed: 'failed',
  invalid: 'invalid',
  skipped: 'skipped',
  canceled: 'canceled',
  unknown: 'unknown',
  pending: 'pending',
} as const;
export const OPERATIONS = { created: 'created', updated: 'updated', unchanged: 'unchanged' } as const;

export const SENTENCES = {
  /** Replaces a file name that contains a link. */
  retry: 'Retry of {name}',
  batch: 'batch {id}',
  sum: '{states} = {total} received',
  moreErrors: 'and {count} more',
  noMessage: 'The outcome of this record is not known.',
  fixRows: 'You can download the failed rows from the results page, fix them, and import them again.',
} as const;

/** {url} is the link, {site} the address of the service; {hours} and {days} state how long the link works. */
export const ACCOUNT_MAILS = {
  invitation: {
    subject: 'Your account for imports',
    lines: [
      'An administrator of {site} has created an account for you.',
      '',
      'Choose your password here:',
      '{url}',
      '',
      'The link works once, for {days} days. If you do not expect this mail, ignore it.',
      '',
    ],
  },
  reset: {
    subject: 'Your new password for imports',
    lines: [
      'Someone, probably you, asked for a new password at {site}.',
      '',
      'Choose it here:',
      '{url}',
      '',
      'The link works once, for {hours} hour. If you did not ask for it, ignore this mail: your password stays as it is.',
      '',
    ],
  },
} as const;
