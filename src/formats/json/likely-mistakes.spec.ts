import { gzipSync } from 'node:zlib';
import { likelyMistake } from './json-syntax.js';

const PRETTY = JSON.stringify({ 'First Name': 'Ada', Level: 'Fellow' }, null, 2);

describe('the likely mistake in a body that is not JSON Lines', () => {
  it.each([
    ['gzip bytes', gzipSync('{"a":1}\n'), 'Content-Encoding: gzip'],
    ['a ZIP archive', Buffer.from('PK\u0003\u0004...', 'latin1'), 'Uploads'],
    ['UTF-16 with a byte order mark', Buffer.from('\ufeff{"a":1}\n', 'utf16le'), 'UTF-16'],
    ['UTF-16 without one', Buffer.from('{"a":1}\n', 'utf16le'), 'UTF-16'],
    ['a JSON array', Buffer.from(' [{"a":1},\n{"a":2}]'), 'JSON array'],
    ['lines that curl -d has joined', Buffer.from('{"a":1}{"a":2}'), '--data-binary'],
    ['pretty-printed JSON', Buffer.from(PRETTY), 'on one line'],
    ['CSV', Buffer.from('First Name,Level\nAda,Fellow\n'), 'CSV'],
    ['CSV with quotes', Buffer.from('"First Name";"Level"\n"Ada";"Fellow"\n'), 'CSV'],
  ])('is recognized for %s', (_, bytes, advice) => {
    expect(likelyMistake(bytes)).toContain(advice);
  });

  it.each([
    ['a cut object', '{"a":1,"b":"x}\n'],
    ['a good object before a bad one', '{"a":1}\n{"a":}\n'],
    ['text', 'hello\n'],
  ])('is not guessed for %s', (_, text) => {
    expect(likelyMistake(Buffer.from(text))).toBeNull();
  });
});
