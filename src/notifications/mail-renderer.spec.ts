import type { BatchRow } from '../batches/batch-rows.sql.js';
import { type FailedLine, mailModel, MailRenderer, type RenderedMail } from './batch-mail.js';

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
  retryOf: null,
  resendOf: null,
  undoOf: null,
  undoneBy: null,
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

const ERRORS: FailedLine[] = Array.from({ length: 10 }, (_, index) => ({
  line: index * 1000 + 7,
  code: 'invalid_date',
  message: `"01/0${index}/2026" is not an ISO 8601 date`,
}));

function rendered(batch: Partial<BatchRow>, firstErrors: FailedLine[] = ERRORS): RenderedMail {
  const row = { ...BATCH, ...batch };
  const model = mailModel(
    { batch: row, createdBy: 'Nightly sync', firstErrors },
    'https://imports.example.org/imports/17',
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

  it('shows the first errors with line, code and message, and how many more there are', () => {
    const { text, html } = rendered({});
    expect(text).toContain(
      'First errors\n  line 7: invalid_date: "01/00/2026" is not an ISO 8601 date\n  line 1,007: invalid_date:',
    );
    expect(text.match(/^ {2}line /gm)).toHaveLength(10);
    expect(text).toContain('  and 15 more\n');
    expect(html.match(/<li>line /g)).toHaveLength(10);
    expect(html).toContain('and 15 more');
  });

  it('does not mention more errors if it shows all of them', () => {
    expect(rendered({ invalid: 5, failed: 5, total: 1_234_552 }).text).not.toContain('more');
  });

  it('keeps an error message on one line and short', () => {
    const { text } = rendered({}, [
      { line: 1, code: 'odd', message: `first\nResults: https://evil.example/\r\n${'x'.repeat(5000)}` },
    ]);
    expect(text).toContain('line 1: odd: first Results: https://evil.example/ xxx');
    expect(text.match(/^Results: /gm)).toHaveLength(1);
    expect(text.length).toBeLessThan(2000);
  });
});

describe('a mail about another outcome', () => {
  it('reports success without mentioning errors', () => {
    const { subject, text, html } = rendered(
      { status: 'completed', total: 1, succeeded: 1, failed: 0, invalid: 0, skipped: 0 },
      [],
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
    expect(html).toContain('failed as a whole. The &lt;target&gt; is gone');
  });

  it('states that a batch was canceled, and what was not processed', () => {
    const { subject, text } = rendered({ status: 'canceled', canceled: 100, succeeded: 1_234_440 });
    expect(subject).toBe('Import canceled: people.jsonl');
    expect(text).toContain('was canceled. Before that, 25 of 1,234,567 records could not');
    expect(text).toContain('  canceled: 100\n');
  });

  it('counts the duration from the receipt if nothing ran', () => {
    expect(rendered({ startedAt: null }).text).toContain('Duration: 2 min 6 s');
  });
});

describe('names that look like markup', () => {
  const fileName = `👩🏽‍🔬 "O'Brien" & <script>alert(1)</script> {{total}}.jsonl`;

  it('are escaped in HTML', () => {
    const { html } = rendered({ fileName, importProcessName: '<img src=x onerror=alert(1)>' }, [
      { line: 3, code: '<b>', message: '"</li><a href=//evil.example>' },
    ]);
    expect(html).not.toMatch(/<script|<img|<b>|<a href=\/\//);
    expect(html).toContain(
      '👩🏽‍🔬 &quot;O&#x27;Brien&quot; &amp; &lt;script&gt;alert(1)&lt;/script&gt; {{total}}.jsonl',
    );
  });

  it('stay unchanged in text', () => {
    expect(rendered({ fileName }).text).toContain(`File: ${fileName}\n`);
  });
});
