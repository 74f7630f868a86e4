import fc from 'fast-check';
import { escapeHalves, restoreHalves } from './surrogate-escapes.js';

describe('a half of a surrogate pair in a CSV file', () => {
  it.each([
    ['x\ud800y', 'x\\ud800y'],
    ['\udfff', '\\udfff'],
    ['\\\ud800', '\\\\\\ud800'],
    ['x\\ud800y', 'x\\\\ud800y'],
    ['\\\\ud83d\\ude00', '\\\\\\\\ud83d\\\\ude00'],
  ])('is told from its escape: %j is %j', (text, written) => {
    expect(escapeHalves(text)).toBe(written);
    expect(restoreHalves(written)).toBe(text);
  });

  it.each(['', 'a\\b', '😀', 'ud800', '\\uD800', '\\u00e9', '\\ud8', 'C:\\udder'])(
    'changes nothing else: %j',
    (text) => {
      expect(escapeHalves(text)).toBe(text);
      expect(restoreHalves(text)).toBe(text);
    },
  );

  /** Break it: in `restoreHalves`, answer `restored` always. */
  it('does not make a character of two escapes, which we never write', () => {
    expect(restoreHalves('\\ud83d\\ude00')).toBe('\\ud83d\\ude00');
  });

  /** Break it: in `escapeHalves`, do not double the backslashes. */
  it('comes back whatever the text', () => {
    const hazard = fc.string({
      unit: fc.constantFrom(
        '\\',
        '\\ud83d',
        '\\ude00',
        'ud83d',
        '\ud83d',
        '\ude00',
        'u',
        'd',
        '8',
        'a',
        '😀',
      ),
    });
    fc.assert(
      fc.property(hazard, (text) => {
        const written = escapeHalves(text);
        expect(written.isWellFormed()).toBe(true);
        expect(restoreHalves(written)).toBe(text);
      }),
      { numRuns: 5000 },
    );
  });

  it('is looked for in a line of a million backslashes', () => {
    const long = `${'\\'.repeat(1_000_000)}\ud800${'\\'.repeat(1_000_000)}`;
    // Compared here: nobody could read the difference.
    expect(restoreHalves(escapeHalves(long)) === long).toBe(true);
  });
});
