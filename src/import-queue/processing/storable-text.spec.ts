import { storableText } from './storable-text.js';

describe('a message for the database', () => {
  it('loses what PostgreSQL cannot hold, and nothing else', () => {
    expect(storableText('a\u0000b')).toBe('a\ufffdb');
    expect(storableText('\ud83d and \ude00')).toBe('\ufffd and \ufffd');
    expect(storableText('whole \u{1f600} stays, so do \n and \u0001')).toBe(
      'whole \u{1f600} stays, so do \n and \u0001',
    );
  });
});
