import { contentDisposition, downloadName } from './answers.js';

describe('the name of a download', () => {
  it.each([
    ['members.csv', 'members-failed.jsonl'],
    ['members 2026.11.JSONL', 'members 2026.11-failed.jsonl'],
    ['../../etc/passwd', '_.._etc_passwd-failed.jsonl'],
    ['a"b\r\nSet-Cookie: x', 'a_b__Set-Cookie_ x-failed.jsonl'],
    ['evil\u202efdp.csv', 'evil_fdp-failed.jsonl'],
    ['.csv', 'import-failed.jsonl'],
    ['Prüfung – 会員.csv', 'Prüfung – 会員-failed.jsonl'],
  ])('is made from %j', (fileName, name) => {
    expect(downloadName(fileName, 'failed', 'jsonl')).toBe(name);
  });

  it('stays short and whole characters', () => {
    const name = downloadName('😀'.repeat(255), 'all', 'csv');
    expect(name.length).toBeLessThan(170);
    expect(name.isWellFormed()).toBe(true);
  });

  it('goes into the header in ASCII and exactly', () => {
    expect(contentDisposition(`Prü'f"ung(1).csv`)).toBe(
      `attachment; filename="Pr_'f_ung(1).csv"; filename*=UTF-8''Pr%C3%BC%27f%22ung%281%29.csv`,
    );
  });
});
