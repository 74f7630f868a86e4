import { formatNumber, formatTime, type Plural } from '../../platform/wording.js';
import { ACCOUNT_TEXTS } from './accounts.js';
import { FILE_TYPE_TEXTS } from './file-types.js';
import { IMPORT_TEXTS } from './imports.js';
import { CONFIRMATION_TEXTS, NEW_IMPORT_TEXTS } from './new-import.js';
import { OVERSIGHT_TEXTS, WEBHOOK_TEXTS } from './oversight.js';
import { WORKFLOW_TEXTS } from './workflows.js';

/** The frame of every page, words that several pages share, states, and errors. */
const COMMON_TEXTS = {
  layout: {
    product: 'Workflow Import Queue',
    pageTitle: '{title} · Workflow Import Queue',
    skip: 'Skip to content',
    tools: 'Tools',
    main: 'Main',
    menu: 'Menu',
    signOut: 'Sign out',
    queuePaused: 'A person paused the queue of {queues}. <a>Overview</a>',
    nav: {
      overview: 'Overview',
      imports: 'Imports',
      newImport: 'New import',
      workflows: 'Workflows',
      fileTypes: 'File types',
      mail: 'Mail',
      webhooks: 'Webhooks',
      apiKeys: 'API keys',
      users: 'Users',
      audit: 'Audit log',
      people: 'People',
      settings: 'Settings',
      docs: 'API docs',
      queues: 'Job dashboard',
    },
  },
  common: {
    any: 'Any',
    by: 'By',
    cancel: 'Cancel',
    column: 'Column',
    created: 'Created',
    encoding: 'Encoding',
    delimiter: 'Delimiter',
    fileType: 'File type',
    filter: 'Filter',
    firstPage: 'First page',
    formErrors: 'The form has errors',
    id: 'ID',
    line: 'Line',
    lineNumber: 'line {line}',
    name: 'Name',
    never: 'never',
    no: 'no',
    none: 'none',
    nothing: '–',
    pages: 'Pages',
    required: 'Required',
    requiredMark: '(required)',
    result: 'Result',
    savedVersion: 'Saved as version {version}.',
    saveVersion: 'Save as a new version',
    sendAgain: 'Send again',
    showAll: 'Show all',
    started: 'Started',
    status: 'Status',
    to: 'To',
    version: 'Version',
    yes: 'yes',
  },
  counts: {
    label: 'Counts',
    total: '{count} total',
    good: '{count} ok',
    failed: '{count} failed',
    unprocessed: '{count} unprocessed',
    processed: {
      one: '{processed} of {count} record processed',
      other: '{processed} of {count} records processed',
    },
  },
  problem: {
    line: 'line {line}: ',
    lineAndColumn: 'line {line}, column {column}: ',
  },
  /** Only what pages say in other words than the API, by the code of the error. */
  errors: {
    permission_denied: {
      title: 'You do not have access',
      detail: 'Your account does not have the permission for this. Ask an administrator.',
    },
    import_process_not_allowed: {
      title: 'You do not have access',
      detail: 'You may not use this file type. Ask an administrator.',
    },
    route_not_found: {
      title: 'Page not found',
      detail: 'This address leads nowhere. It may contain a typing error, or the page may have been removed.',
    },
  },
  status: {
    batch: {
      receiving: 'Receiving',
      awaiting_confirmation: 'Awaiting confirmation',
      queued: 'Queued',
      in_progress: 'In progress',
      paused: 'Paused',
      canceling: 'Canceling',
      canceled: 'Canceled',
      completed: 'Completed',
      completed_with_errors: 'Completed with errors',
      validated: 'Dry run',
      failed: 'Failed',
    },
    abandoned: 'Abandoned',
    record: {
      pending: 'Pending',
      invalid: 'Invalid',
      processing: 'Processing',
      succeeded: 'Succeeded',
      failed: 'Failed',
      skipped: 'Skipped',
      canceled: 'Canceled',
      unknown: 'Unknown',
    },
    mail: {
      pending: 'Waiting to be sent',
      sending: 'Being sent',
      sent: 'Sent',
      failed: 'Not delivered',
      not_sent_no_smtp: 'Not sent: no mail server is configured',
    },
    instance: {
      incomplete: 'Incomplete',
      completed_successfully: 'Completed successfully',
      completed_unsuccessfully: 'Completed unsuccessfully',
    },
  },
} as const;

/**
 * Every text of the pages, by page. A translation is a second catalogue of the same shape.
 *
 * - `{count}` stands for a value; numbers are formatted, except those of `{id, raw}`.
 * - A text in the forms `one` and `other` is chosen by its value `count`.
 * - In a page, `{name, code}` is set as code, `{name, user}` as text of a user, `{name, time}` as a time in the
 *   reader's zone, and `<a>…</a>` is a link to the value `href`.
 */
export const TEXTS = {
  ...COMMON_TEXTS,
  ...ACCOUNT_TEXTS,
  ...CONFIRMATION_TEXTS,
  ...FILE_TYPE_TEXTS,
  ...IMPORT_TEXTS,
  ...NEW_IMPORT_TEXTS,
  ...OVERSIGHT_TEXTS,
  ...WEBHOOK_TEXTS,
  ...WORKFLOW_TEXTS,
} as const;

type Keys<Node> = Node extends string | Plural
  ? ''
  : {
      [Name in keyof Node & string]: Keys<Node[Name]> extends '' ? Name : `${Name}.${Keys<Node[Name]>}`;
    }[keyof Node & string];

/** The place of a text in the catalogue: `recent.title`. */
export type TextKey = Keys<typeof TEXTS>;

export type TextValues = Readonly<Record<string, unknown>>;

const PLURALS = new Intl.PluralRules('en');
const PLACEHOLDER = /\{(\w+)(?:, (code|user|time|raw))?\}/g;
/** In escaped text: a placeholder with its kind, or the begin or end of a link. */
const MARKED = /\{(\w+)(?:, (code|user|time|raw))?\}|&lt;(\/?)a&gt;/g;

/** A text as plain text. */
export function text(key: TextKey, values: TextValues = {}): string {
  return template(key, values).replace(PLACEHOLDER, (_, name: string, kind?: string) =>
    plain(values[name], kind),
  );
}

/** A text as HTML, its values escaped. */
export function html(key: string, values: TextValues): string {
  return escaped(template(key, values)).replace(
    MARKED,
    (_, name: string | undefined, kind: string | undefined, close: string) => {
      if (name !== undefined) return marked(values[name], kind);
      return close === '/' ? '</a>' : `<a href="${escaped(plain(values.href))}">`;
    },
  );
}

/** @throws Error for a key that the catalogue does not have, so that a misspelled one shows at once */
function template(key: string, { count }: TextValues): string {
  let node: unknown = TEXTS;
  for (const name of key.split('.')) node = (node as Record<string, unknown> | undefined)?.[name];
  if (typeof node === 'string') return node;
  if (!isPlural(node)) throw new Error(`the catalogue has no text "${key}"`);
  return PLURALS.select(Number(count)) === 'one' ? node.one : node.other;
}

export function isPlural(node: unknown): node is Plural {
  return typeof node === 'object' && node !== null && 'one' in node && 'other' in node;
}

function plain(value: unknown, kind?: string): string {
  if (typeof value === 'number') return kind === 'raw' ? String(value) : formatNumber(value);
  return typeof value === 'string' ? value : '';
}

function marked(value: unknown, kind: string | undefined): string {
  const content = escaped(plain(value, kind));
  switch (kind) {
    case 'code':
      return `<code>${content}</code>`;
    case 'user':
      return `<bdi>${content}</bdi>`;
    case 'time': {
      const time = escaped(formatTime(plain(value)));
      return `<time datetime="${content}" title="${time}">${time}</time>`;
    }
    default:
      return content;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
};

function escaped(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

const QUEUES: Readonly<Record<string, string>> = TEXTS.overview.queues;

/** The name of a queue, in words. */
export const queueText = (name: string): string => QUEUES[name] ?? name;
