import { integerArray, textArray } from './copy-rows.js';

describe('array literals', () => {
  it('quote every text, so that none can be taken for NULL or for a separator', () => {
    expect(textArray(['a', '', 'NULL', 'a,b', '{}', ' '])).toBe('{"a","","NULL","a,b","{}"," "}');
  });

  it('escape quotes and backslashes', () => {
    expect(textArray(['say "x"', 'C:\\temp'])).toBe(String.raw`{"say \"x\"","C:\\temp"}`);
  });

  it('write null as NULL', () => {
    expect(textArray([null, 'a', null])).toBe('{NULL,"a",NULL}');
  });

  it('are empty for no elements', () => {
    expect([textArray([]), integerArray([])]).toEqual(['{}', '{}']);
  });

  it('write numbers as they are', () => {
    expect(integerArray([1, -2, 9_007_199_254_740_991])).toBe('{1,-2,9007199254740991}');
  });
});
