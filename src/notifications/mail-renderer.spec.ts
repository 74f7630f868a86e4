import type { BatchRow } from '../batches/batch-rows.sql.js';
import type { ErrorGroups } from '../batches/refused-records.sql.js';
import { type MailFrame, mailModel, MailRenderer, type RenderedMail } from './batch-mail.js';

const renderer = new MailRenderer();
beforeAll(() => renderer.onModuleInit());

const BATCH: BatchRow = {
  id: 17,
  fileName: 'people.jsonl',
  importProcessId: 1,
  importProcessName: 'Member import',
  importProcessVersion: 3,
  workflowVersion: null,
  creationPath: 'IMPORT_QUEUE_API:LH',
  status: 'completed_with_errors',
  metadata: null,
  failureReason: null,
  pauseReason: null,
  control: null,
  pauseDetail: null,
  batchesAhead: null,
  isLimited: false,
  noWorkerFits: false,
  retryOf: null,
  resendOf: null,
  undoOf: null,
  undoneBy: null,
  replacedBy: null,
  timeZone: 'UTC',
  mayBeUndone: true,
  fromFile: false,
  retriedBy: null,
  createdBy: 'api-key:4',
  createdAt: new Date('2026-11-24T08:00:00Z'),
  startedAt: new Date('2026-11-24T08:00:01Z'),
  finishedAt: new Date('2026-11-24T08:02:06Z'),
  expiredAt: null,
  total: 1_234_567,
  invalid: 20,
  succeeded: 1_234_540,
  failed: 5,
  skipped: 2,
  canceled: 0,
  unknown: 0,
  created: 1_000_000,
  updated: 234_500,
  unchanged: 40,
  pending: 0,
  recentlyDone: 0,
  now: new Date('2026-11-24T08:02:07Z'),
};

const cause = (group: Partial<ErrorGroups['groups'][number]> = {}) => ({
  ...{ code: 'not_a_date', pattern: '', count: 20, sampleLine: 7 },
  sampleMessage: 'must be a date as YYYY-MM-DD; found "01/02/2026"',
  ...group,
});
const ERRORS: ErrorGroups = {
  groups: [
    cause(),
    cause({ code: 'no_match', count: 5, sampleLine: 1007, sampleMessage: 'nothing has this identifier' }),
  ],
  examined: 25,
};
const NO_ERRORS: ErrorGroups = { groups: [], examined: 0 };

function rendered(
  batch: Partial<BatchRow>,
  errors: ErrorGroups = ERRORS,
  { isRedo = false, ...frame }: Partial<MailFrame> & { isRedo?: boolean } = {},
): RenderedMail {
  const model = mailModel(
    { batch: { ...BATCH, ...batch }, createdBy: 'Nightly sync', isRedo, errors },
    { publicUrl: 'https://imports.example.org', sender: 'Imports', logoUrl: null, ...frame },
  );
  return renderer.render(model);
}

describe('a mail about errors', () => {
  it('states what was imported, by whom, how long it took, and where the results are', () => {
    const { subject, text } = rendered({});
    expect(subject).toBe('Import finished with errors: people.jsonl');
    expect(rendered({ retryOf: 16 }).subject).toBe('Import finished with errors: Retry of people.jsonl');
    expect(text).toContain(
      'The import of "people.jsonl" finished with errors: 25 of 1,234,567 records could not be imported.',
    );
    for (const line of [
      'Results: https://imports.example.org/imports/17',
      'File: people.jsonl',
      'File type: Member import',
      'Batch: 17',
      'Creation path: IMPORT_QUEUE_API:LH',
      'Started by: Nightly sync',
      'Duration: 2 min 5 s',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });

  it('has counts that add up to what was received', () => {
    const { text } = rendered({});
    expect(text).toContain(
      '1,234,540 succeeded + 5 failed + 20 invalid + 2 skipped = 1,234,567 records received',
    );
    const [, terms = '', sum = ''] = /^ {2}([^:\n]*) = ([\d,]+) records received$/m.exec(text) ?? [];
    const number = (digits: string) => Number(digits.replaceAll(',', ''));
    const added = [...terms.matchAll(/[\d,]+/g)].reduce((total, [digits]) => total + number(digits), 0);
    expect(added).toBe(number(sum));
  });

  it('names the operations', () => {
    expect(rendered({}).text).toContain(
      'Operations\n  created: 1,000,000\n  updated: 234,500\n  unchanged: 40\n',
    );
  });

  it('lists the causes as the page does, each with its number of rows and the first line', () => {
    const { text, html } = rendered({});
    expect(text).toContain(
      [
        'Why rows failed',
        '  Must be a date as YYYY-MM-DD; found "01/02/2026" (not_a_date): 20 rows, first in line 7',
        '  Nothing has this identifier (no_match): 5 rows, first in line 1,007',
      ].join('\n'),
    );
    expect(html).toContain('20 rows, first in line 7');
    expect(html).toMatch(/Nothing has this identifier <span[^>]*>\(no_match\)</);
    expect(text + html).not.toContain('and other causes');
  });

  it('leads to the grid that fixes the rows, and to their files', () => {
    const { text, html } = rendered({});
    const page = 'https://imports.example.org/imports/17';
    const file =
      'https://imports.example.org/API/WorkflowImportQueue/Batches/17/Results?set=failed&shape=record&format=';
    expect(text).toContain(`Fix these rows: ${page}/fix\nOpen the results: ${page}\n`);
    expect(text).toContain(
      `Download failed rows (.xlsx): ${file}xlsx\nDownload failed rows (.csv): ${file}csv\n`,
    );
    expect(html).toContain(`href="${page}/fix"`);
    expect(html.replaceAll('&amp;', '&').replaceAll('&#x3D;', '=')).toContain(`href="${file}xlsx"`);
  });

  it('says when there are more causes, and when only some rows were counted', () => {
    const groups = Array.from({ length: 11 }, (_, index) => cause({ code: `code_${index}`, count: 1 }));
    const { text } = rendered({ invalid: 60_000 }, { groups, examined: 5000 });
    expect(text.match(/: 1 row, line 7$/gm)).toHaveLength(10);
    expect(text).toContain('  and other causes\n  Counted in the first 5,000 failed rows.\n');
  });

  it('keeps an error message on one line and short', () => {
    const sampleMessage = `first\nResults: https://evil.example/\r\n${'x'.repeat(5000)}`;
    const { text } = rendered({}, { groups: [cause({ sampleMessage })], examined: 25 });
    expect(text).toContain('First Results: https://evil.example/ xxx');
    expect(text.match(/^Results: /gm)).toHaveLength(1);
    expect(text.length).toBeLessThan(2500);
  });

  it('shows the logo of the installation, or the name of its sender', () => {
    expect(rendered({}).html).toMatch(/>Imports<\/td>/);
    const { html } = rendered({}, ERRORS, { logoUrl: 'https://example.org/logo.png' });
    expect(html).toContain('<img src="https://example.org/logo.png" height="40" alt="Imports"');
  });
});

describe('a mail about another outcome', () => {
  it('reports success without mentioning errors', () => {
    const { subject, text, html } = rendered(
      { status: 'completed', total: 1, succeeded: 1, failed: 0, invalid: 0, skipped: 0 },
      NO_ERRORS,
    );
    expect(subject).toBe('Import succeeded: people.jsonl');
    expect(text).toContain('1 record from "people.jsonl" was imported.');
    expect(text).toContain('1 succeeded = 1 record received');
    expect(text + html).not.toMatch(/error/i);
  });

  it('states why a batch failed as a whole', () => {
    const { subject, text, html } = rendered({ status: 'failed', failureReason: 'The <target> is gone' });
    expect(subject).toBe('Import failed: people.jsonl');
    expect(text).toContain('failed as a whole.\nReason: The <target> is gone\n');
    expect(html).toContain('The &lt;target&gt; is gone');
  });

  it('states that a batch was canceled, and what was not processed', () => {
    const { subject, text } = rendered({ status: 'canceled', canceled: 100, succeeded: 1_234_440 });
    expect(subject).toBe('Import canceled: people.jsonl');
    expect(text).toContain('was canceled. What it had imported by then stays.');
    expect(text).toContain('  canceled: 100\n');
  });

  it('states why an import is paused, and leads to where it is resumed', () => {
    const pause = { reason: 'error_budget', detail: '3 of 10 records failed' } as const;
    const { subject, text } = rendered({ status: 'paused' }, ERRORS, { pause });
    expect(subject).toBe('Import paused: people.jsonl');
    expect(text).toContain('Reason: Too many rows failed: 3 of 10 records failed.\n');
    expect(text).toContain('Review and resume: https://imports.example.org/imports/17\n');
    expect(text).not.toMatch(/Fix th/);
  });

  /** Break it: in `beginningOf`, treat every pause alike. */
  it.each(['environment_fault', 'target_unavailable'] as const)(
    'asks no one to resume an import that a %s paused, which continues by itself',
    (reason) => {
      const pause = { reason, detail: 'no answer' };
      for (const undoOf of [null, 16]) {
        const { text } = rendered({ status: 'paused', undoOf }, NO_ERRORS, { pause });
        expect(text).toContain('"people.jsonl" is paused.\n');
        expect(text).toContain('continues by itself');
        expect(text).not.toContain('until someone resumes it');
      }
    },
  );

  it('states when an upload expires', () => {
    const expiresAt = new Date('2026-12-01T08:00:00Z');
    const { subject, text } = rendered({ status: 'awaiting_confirmation' }, NO_ERRORS, { expiresAt });
    expect(subject).toBe('Upload expires tomorrow: people.jsonl');
    expect(text).toContain(
      'It expires on 1 Dec 2026, 08:00:00 UTC. If no one confirms it by then, none of it is imported.',
    );
    expect(text).toContain('Check and import the file: https://imports.example.org/imports/17');
    expect(text).not.toMatch(/Fix these rows|Download|Ended|Operations/);
  });

  it('names the outcomes of an undo', () => {
    const undo = { undoOf: 3, status: 'completed', succeeded: 7, unchanged: 2, skipped: 1 } as const;
    const { subject, text, html } = rendered({ ...undo, failed: 0, invalid: 0, total: 8 }, NO_ERRORS);
    expect(subject).toBe('Import succeeded: people.jsonl');
    expect(html).toMatch(/<h1[^>]*>Import undone<\/h1>/);
    expect(text).toContain('The import of "people.jsonl" was undone.');
    expect(text).toContain('  reverted: 5\n  kept (changed since): 1\n  unchanged: 2\n');
    expect(text).not.toContain('created:');
  });

  it.each([
    [
      'completed_with_errors',
      'Undo finished with errors',
      'The undo of the import of "people.jsonl" finished',
    ],
    ['failed', 'Undo failed', 'The undo of the import of "people.jsonl" failed as a whole.'],
    ['canceled', 'Undo canceled', 'The undo of the import of "people.jsonl" was canceled.'],
    ['paused', 'Undo paused', 'The undo of the import of "people.jsonl" is paused.'],
  ] as const)('is headed by the undo that is %s, and offers no rows to fix', (status, heading, lead) => {
    const pause = { reason: 'manual', detail: null } as const;
    const { text, html } = rendered({ undoOf: 3, status }, ERRORS, status === 'paused' ? { pause } : {});
    expect(html).toContain(`>${heading}</h1>`);
    expect(text).toMatch(new RegExp(`^${lead}`));
    expect(text + html).not.toMatch(/Fix th/);
  });

  it('says that an undo was undone', () => {
    const { text, html } = rendered({ undoOf: 3, status: 'completed' }, NO_ERRORS, { isRedo: true });
    expect(html).toContain('>Import restored</h1>');
    expect(text).toContain('what the import had done is in place again');
  });

  it('counts the duration from the receipt if nothing ran', () => {
    expect(rendered({ startedAt: null }).text).toContain('Duration: 2 min 6 s');
  });
});

describe('names that look like markup', () => {
  const fileName = `👩🏽‍🔬 "O'Brien" & <script>alert(1)</script> {{total}}.jsonl`;

  it('are escaped in HTML', () => {
    const { html } = rendered(
      { fileName, importProcessName: '<img src=x onerror=alert(1)>' },
      { groups: [cause({ code: '<b>', sampleMessage: '"</td><a href=//evil.example>' })], examined: 1 },
    );
    expect(html).not.toMatch(/<script|<img|<b>|<a href=\/\//);
    expect(html).toContain(
      '👩🏽‍🔬 &quot;O&#x27;Brien&quot; &amp; &lt;script&gt;alert(1)&lt;/script&gt; {{total}}.jsonl',
    );
  });

  it('stay unchanged in text', () => {
    expect(rendered({ fileName }).text).toContain(`File: ${fileName}\n`);
  });
});
