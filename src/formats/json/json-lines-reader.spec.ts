import { LineLimitError } from '../record-reader.js';
import { JsonLinesReader } from './json-lines-reader.js';

function read(body: string | Buffer, { pieceSize = 7, maxLineBytes = 1000 } = {}) {
  const bytes = Buffer.from(body as string);
  const records: [line: number, raw: string][] = [];
  const reader = new JsonLinesReader(maxLineBytes, (line, _, raw) => records.push([line, raw]));
  for (let at = 0; at < bytes.length; at += pieceSize) reader.push(bytes.subarray(at, at + pieceSize));
  reader.end();
  return { records, errors: reader.errors, errorCount: reader.errorCount };
}

describe('JsonLinesReader', () => {
  it('reads lines that end in LF or CRLF, and a last line without end', () => {
    expect(read('{"a":1}\n{"a":2}\r\n{"a":3}').records).toEqual([
      [1, '{"a":1}'],
      [2, '{"a":2}'],
      [3, '{"a":3}'],
    ]);
  });

  it('skips lines of white space but counts them', () => {
    expect(read('\n \t\r\n{"a":1}\n\n').records).toEqual([[3, '{"a":1}']]);
  });

  it('keeps the line exactly as sent, inner white space and escapes included', () => {
    const raw = ' {"a" :\t"\\u00e9\\u0000", "n":1e400 } ';
    expect(read(`${raw}\n`).records).toEqual([[1, raw]]);
  });

  it.each([1, 2, 3, 4, 100])(
    'tolerates a byte order mark at the very start, in pieces of %d bytes',
    (pieceSize) => {
      expect(read('\ufeff{"a":"ü"}\n', { pieceSize }).records).toEqual([[1, '{"a":"ü"}']]);
    },
  );

  it('refuses a byte order mark anywhere else', () => {
    expect(read('{"a":1}\n\ufeff{"a":2}\n').errors).toMatchObject([
      { line: 2, column: 1, code: 'invalid_json' },
    ]);
  });

  it.each([
    [
      '[1]',
      { line: 2, column: 1, code: 'not_an_object', message: 'the line is an array, not a JSON object' },
    ],
    ['null', { line: 2, column: 1, code: 'not_an_object', message: 'the line is null, not a JSON object' }],
    ['{"a":}', { line: 2, column: 6, code: 'invalid_json' }],
    ['{"😀":tru}', { line: 2, column: 6, code: 'invalid_json' }],
    [`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, { line: 2, column: 69, code: 'nesting_too_deep' }],
  ])('names line and column of %s', (bad, error) => {
    expect(read(`{"a":1}\n${bad}\n{"a":3}\n`).errors).toMatchObject([error]);
  });

  it('names line and column of a byte that is not UTF-8, and reads its neighbours', () => {
    const body = Buffer.concat([
      Buffer.from('{"a":1}\n{"é":"'),
      Buffer.from([0xe9]),
      Buffer.from('"}\n[]\n'),
    ]);
    expect(read(body).errors).toMatchObject([
      { line: 2, column: 7, code: 'invalid_utf8', message: expect.stringContaining('0xE9') },
      { line: 3, code: 'not_an_object' },
    ]);
  });

  it('describes the first hundred malformed lines and counts the rest', () => {
    const { errors, errorCount } = read('nonsense\n'.repeat(250));
    expect(errors).toHaveLength(100);
    expect(errorCount).toBe(250);
  });

  it('gives the sink nothing after a malformed line', () => {
    expect(read('{"a":1}\n!\n{"a":2}\n').records).toEqual([[1, '{"a":1}']]);
  });

  it.each([5, 40, 10_000])('names the line that is too long, in pieces of %d bytes', (pieceSize) => {
    const long = `{"a":"${'x'.repeat(100)}"}`;
    const body = `{"a":1}\n\n${long}\n{"a":2}\n`;
    const limit = long.length;
    expect(read(body, { pieceSize, maxLineBytes: limit }).records).toHaveLength(3);
    try {
      read(body, { pieceSize, maxLineBytes: limit - 1 });
      throw new Error('was not refused');
    } catch (error) {
      expect(error).toBeInstanceOf(LineLimitError);
      expect((error as LineLimitError).line).toBe(3);
    }
  });

  /** Break it: in `readLine`, accept the row without looking for duplicates. */
  it.each([
    ['in the first line', '{"a":"1","a":"2"}\n', 1],
    ['in a line like the one before', '{"a":"1"}\n{"a":"1","a":"2"}\n', 2],
    ['with an escape', '{"a":"1"}\n{"a":"1","\\u0061":"2"}\n', 2],
    ['beyond ASCII', '{"ä":"1","ä":"1"}\n', 1],
  ])('makes a record invalid whose key occurs twice, %s', (_, body, line) => {
    const errors: [number, string | undefined][] = [];
    const reader = new JsonLinesReader(1000, (at, _row, _raw, origin) => {
      if (origin?.error !== undefined) errors.push([at, origin.error.code]);
    });
    reader.push(Buffer.from(body));
    reader.end();
    expect(errors).toEqual([[line, 'duplicate_key']]);
  });
});
