import { replaceUnstorable } from './records.sql.js';

describe('a message for the database', () => {
  it('loses what PostgreSQL cannot hold, and nothing else', () => {
    expect(replaceUnstorable('a\u0000b')).toBe('a\ufffdb');
    expect(replaceUnstorable('\ud83d and \ude00')).toBe('\ufffd and \ufffd');
    expect(replaceUnstorable('whole \u{1f600} stays, so do \n and \u0001')).toBe(
      'whole \u{1f600} stays, so do \n and \u0001',
    );
  });
});
