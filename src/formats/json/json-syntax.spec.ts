import { findJsonSyntaxError } from './json-syntax.js';

describe('findJsonSyntaxError', () => {
  it.each([
    ['{"a":1}'],
    [' {"a":[1,-2.5e+3,true,false,null,"x\\u00e9\\n"],"b":{}} '],
    ['[]'],
    ['"text"'],
    ['-0'],
  ])('finds nothing wrong with %s', (text) => {
    expect(() => void JSON.parse(text)).not.toThrow();
    expect(findJsonSyntaxError(text)).toBeNull();
  });

  it.each([
    ['{"a":1', 6, 'the line ends where a comma or "}" was expected'],
    ['{"a" 1}', 5, 'found "1" where a colon was expected'],
    ['{a:1}', 1, 'found "a" where a key in double quotes was expected'],
    ['{"a":1,}', 7, 'found "}" where a key in double quotes was expected'],
    ['[1,]', 3, 'found "]" where a value was expected'],
    ['{"a":01}', 6, 'found "1" where a comma or "}" was expected'],
    ['{"a":NaN}', 5, 'found "N" where a value was expected'],
    ['{"a":"b}', 8, 'the line ends inside a string'],
    ['{"a":"\t"}', 6, 'the control character U+0009 must be escaped in a string'],
    ['{"a":"\\x"}', 6, 'a backslash that does not begin a JSON escape'],
    ['{"a":1} {"b":2}', 8, 'found "{" where the end of the line was expected'],
    ['', 0, 'the line ends where a value was expected'],
    ['\ufeff{}', 0, 'found U+FEFF where a value was expected'],
  ])('says where %s stops being JSON', (text, index, message) => {
    expect(() => void JSON.parse(text)).toThrow();
    expect(findJsonSyntaxError(text)).toEqual({ index, message });
  });

  it('does not overflow on 200,000 open brackets', () => {
    expect(findJsonSyntaxError('['.repeat(200_000))).toMatchObject({ index: 200_000 });
  });
});
