import type { JsonObject } from '../../platform/json/json-value.js';
import type { RecordOrigin } from '../record-reader.js';
import { JsonLinesReader } from './json-lines-reader.js';

interface Found {
  line: number;
  row: JsonObject;
  raw: string;
  originLine: RecordOrigin['originLine'];
}

function read(...lines: string[]): { records: Found[]; errors: JsonLinesReader['errors'] } {
  const records: Found[] = [];
  const reader = new JsonLinesReader(10_000, (line, row, raw, origin) =>
    records.push({ line, row, raw, originLine: origin?.originLine }),
  );
  reader.push(Buffer.from(lines.join('\n')));
  reader.end();
  return { records, errors: reader.errors };
}

const wrapped = (line: number, record: string) =>
  `{"line":${line},"status":"invalid","operation":null,"reference":null,"error":{"code":"x"},"record":${record}}`;

it('takes the records of our own results, digit for digit, with the lines that they came from', () => {
  const { records } = read(
    wrapped(3, '{"n":1e400,"s":"\\u0041"}'),
    '',
    wrapped(9, '{ "m": 12345678901234567890 }'),
  );
  expect(records).toEqual([
    { line: 1, row: { n: Infinity, s: 'A' }, raw: '{"n":1e400,"s":"\\u0041"}', originLine: 3 },
    { line: 3, row: { m: 12345678901234567000 }, raw: '{ "m": 12345678901234567890 }', originLine: 9 },
  ]);
});

it('takes the attributes of an export of instances', () => {
  const line =
    '{"id":7,"workflow":"club","status":"open","step":"Import","attributes":{":Email":"a@b.org"},' +
    '"createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"}';
  expect(read(line).records).toEqual([
    { line: 1, row: { ':Email': 'a@b.org' }, raw: '{":Email":"a@b.org"}', originLine: undefined },
  ]);
});

it.each([
  ['a further member', wrapped(1, '{}').replace('{"line"', '{"more":1,"line"')],
  ['a missing member', wrapped(1, '{}').replace('"reference":null,', '')],
  ['a record that is no object', wrapped(1, '[]')],
  ['a status that no record has', wrapped(1, '{}').replace('invalid', 'open')],
])('takes a line as it is if it has %s', (_, line) => {
  expect(read(line).records).toMatchObject([{ raw: line, originLine: undefined }]);
});

it('refuses a file in which a later line is not wrapped, and names the line', () => {
  const { errors } = read(wrapped(1, '{"a":1}'), '{"a":2}');
  expect(errors).toMatchObject([{ line: 2, code: 'not_wrapped' }]);
});

it('takes a wrapped line as a record if the first line is none', () => {
  const { records, errors } = read('{"a":2}', wrapped(1, '{"a":1}'));
  expect(errors).toEqual([]);
  expect(records.map(({ raw }) => raw)).toEqual(['{"a":2}', wrapped(1, '{"a":1}')]);
});
