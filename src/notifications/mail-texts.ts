import { type Plural, pluralForm } from '../platform/wording.js';

/*
 * Every text of the mails about batches and accounts. A translator needs only this file. Words in braces are filled in
 * when a mail is rendered and must stay; every other word can be changed.
 */

/** The beginning of the subject. Clients filter their mail by it, so it stays the same in every release. */
export const HEADINGS = {
  succeeded: 'Import succeeded',
  'finished-with-errors': 'Import finished with errors',
  failed: 'Import failed',
  canceled: 'Import canceled',
  paused: 'Import paused',
  expiring: 'Upload expires tomorrow',
} as const;

/** Above the text of a mail about an undo: the subject names the import, and what happened to it must be said at once. */
const UNDO_HEADINGS: Readonly<Record<keyof typeof UNDO_LEADS, string>> = {
  succeeded: 'Import undone',
  'finished-with-errors': 'Undo finished with errors',
  failed: 'Undo failed',
  canceled: 'Undo canceled',
  paused: 'Undo paused',
};

/** The first sentence. {total} reads "1 record" or "2,000 records", {failed} is a number; the count chooses the form. */
const LEADS: Readonly<Record<keyof typeof HEADINGS, Plural>> = {
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
    one: 'The import of "{fileName}" was canceled. What it had imported by then stays.',
    other: 'The import of "{fileName}" was canceled. What it had imported by then stays.',
  },
  paused: {
    one: 'The import of "{fileName}" is paused. Nothing more is processed until someone resumes it.',
    other: 'The import of "{fileName}" is paused. Nothing more is processed until someone resumes it.',
  },
  expiring: {
    one: 'You uploaded "{fileName}" and have not confirmed it. It expires on {expires}. If no one confirms it by then, none of it is imported.',
    other:
      'You uploaded "{fileName}" and have not confirmed it. It expires on {expires}. If no one confirms it by then, none of it is imported.',
  },
};

/** The first sentence about an undo, which takes back what an import did. */
const UNDO_LEADS = {
  succeeded: 'The import of "{fileName}" was undone.',
  'finished-with-errors':
    'The undo of the import of "{fileName}" finished with errors: {failed} of {total} could not be undone.',
  failed: 'The undo of the import of "{fileName}" failed as a whole.',
  canceled: 'The undo of the import of "{fileName}" was canceled. What it had undone by then stays undone.',
  paused:
    'The undo of the import of "{fileName}" is paused. Nothing more is undone until someone resumes it.',
} as const;

/** The first sentence about a pause that ends by itself: nothing waits for a person. */
const PASSING_PAUSE = {
  import: 'The import of "{fileName}" is paused.',
  undo: 'The undo of the import of "{fileName}" is paused.',
} as const;

/** About the undo of an undo. */
const REDO = {
  heading: 'Import restored',
  lead: 'The undo of "{fileName}" was itself undone: what the import had done is in place again.',
} as const;

interface Beginning {
  total: number;
  isUndo: boolean;
  isRedo: boolean;
  /** Why it is paused, if it is. */
  pause: { reason: keyof typeof PAUSES } | undefined;
}

/** The heading and the first sentence. */
export function beginningOf(
  outcome: keyof typeof HEADINGS,
  { total, isUndo, isRedo, pause }: Beginning,
): { heading: string; lead: string } {
  if (pause?.reason === 'environment_fault' || pause?.reason === 'target_unavailable') {
    return isUndo
      ? { heading: UNDO_HEADINGS.paused, lead: PASSING_PAUSE.undo }
      : { heading: HEADINGS.paused, lead: PASSING_PAUSE.import };
  }
  if (!isUndo || outcome === 'expiring')
    return { heading: HEADINGS[outcome], lead: pluralForm(LEADS[outcome], total) };
  return isRedo && outcome === 'succeeded'
    ? REDO
    : { heading: UNDO_HEADINGS[outcome], lead: UNDO_LEADS[outcome] };
}

/** Why an import is paused. {detail} says more, for example "2 of 10 records failed". */
export const PAUSES = {
  manual: 'A person paused it.',
  canary: 'It paused for a review: {detail}.',
  error_budget: 'Too many rows failed: {detail}.',
  environment_fault:
    'A fault outside its rows stopped it: {detail}. It tries again every 30 seconds and continues by itself once the fault is gone.',
  target_unavailable:
    'The system that receives the rows does not answer: {detail}. It continues by itself once it does.',
} as const;

export const RECORDS: Plural = { one: '{count} record', other: '{count} records' };

/** The labels before values, above lists and on the button. */
export const LABELS = {
  reason: 'Reason',
  results: 'Results',
  openResults: 'Open the results',
  openPaused: 'Review and resume',
  openUpload: 'Check and import the file',
  fixRows: 'Fix these rows',
  download: 'Download failed rows',
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
  causes: 'Why rows failed',
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
export const UNDO_OPERATIONS = {
  reverted: 'reverted',
  kept: 'kept (changed since)',
  unchanged: 'unchanged',
} as const;

export const UNKNOWN: Plural = {
  one: 'The outcome of {count} record is not known (unknown).',
  other: 'The outcome of {count} records is not known (unknown).',
};

/** {message} is the sentence about the first row of the cause. */
export const CAUSE: Plural = {
  one: '{message} ({code}): {count} row, line {line}',
  other: '{message} ({code}): {count} rows, first in line {line}',
};

export const SENTENCES = {
  /** Replaces a file name that contains a link. */
  retry: 'Retry of {name}',
  batch: 'batch {id}',
  sum: '{states} = {total} received',
  /** Before the file name in the subject. */
  moreCauses: 'and other causes',
  examined: 'Counted in the first {count} failed rows.',
  noMessage: 'The outcome of this record is not known.',
  fixRows: 'Fix the rows on the page, or download them, correct them, and upload the file again.',
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
