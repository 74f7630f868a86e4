import { outcomeOf, subjectOf } from './batch-mail.js';

const subject = (outcome: Parameters<typeof subjectOf>[0], fileName: string) =>
  subjectOf(outcome, fileName, 17);

describe('the subject', () => {
  it.each([
    ['completed', 'Import succeeded: people.jsonl'],
    ['completed_with_errors', 'Import finished with errors: people.jsonl'],
    ['failed', 'Import failed: people.jsonl'],
    ['canceled', 'Import canceled: people.jsonl'],
  ] as const)('of a batch that is %s is "%s"', (status, expected) => {
    expect(subject(outcomeOf(status), 'people.jsonl')).toBe(expected);
  });

  it.each(['receiving', 'awaiting_confirmation', 'queued', 'in_progress', 'paused', 'canceling'] as const)(
    'does not exist for a batch that is %s',
    (status) => {
      expect(() => outcomeOf(status)).toThrow('has no outcome yet');
    },
  );

  it('stays on one line if the file name contains line breaks', () => {
    expect(subject('failed', 'a\r\nBcc: x@example.org\u2028b\u0000c\u0085d')).toBe(
      'Import failed: a Bcc: x@example.org b c d',
    );
  });

  it('keeps every other character of the file name', () => {
    const name = '👩🏽‍🔬 "Ünïcode" & <b>名簿</b> %0A.csv';
    expect(subject('succeeded', name)).toBe(`Import succeeded: ${name}`);
  });

  it('holds the longest possible file name', () => {
    expect(subject('succeeded', 'x'.repeat(255))).toHaveLength('Import succeeded: '.length + 255);
  });

  it('leaves out a file name that holds a link', () => {
    const name = 'Your account ends today: sign in at https://evil.example/login';
    expect(subject('failed', name)).toBe('Import failed: batch 17');
  });

  it.each([
    ['paused', 'Import paused: people.jsonl'],
    ['expiring', 'Upload expires tomorrow: people.jsonl'],
  ] as const)('of a mail that reports %s is "%s"', (outcome, expected) => {
    expect(subject(outcome, 'people.jsonl')).toBe(expected);
  });
});
