import { excerpt, formatDuration, formatNumber, formatTime } from './wording.js';

describe('what people read', () => {
  it('groups the digits of numbers', () => {
    expect(formatNumber(1234567)).toBe('1,234,567');
  });

  it('names the time zone of times', () => {
    expect(formatTime('2026-11-24T04:05:06.789Z')).toBe('24 Nov 2026, 04:05:06 UTC');
  });

  it.each([
    [0.04, '0.0 s'],
    [2.34, '2.3 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [3725, '1 h 2 min'],
    [10020, '2 h 47 min'],
  ])('gives %d seconds two units at most', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('cuts a long text without cutting a character', () => {
    expect(excerpt('abc', 3)).toBe('abc');
    expect(excerpt('ab😀', 3)).toBe('ab\ufffd…');
  });
});
