import fc from 'fast-check';
import { RecordCollector } from '../../src/batches/record-collector.js';
import { JsonLinesReader } from '../../src/formats/json/json-lines-reader.js';
import { findJsonSyntaxError } from '../../src/formats/json/json-syntax.js';
import { copyField, parseCopyField } from '../../src/platform/database/copy-rows.js';
import { copiedRows } from '../support/copied-rows.js';

/** Bodies of bytes that matter to the splitter: line ends, UTF-8 of every length, damaged sequences, JSON. */
const body = fc
  .array(
    fc.oneof(
      fc
        .constantFrom('\n', '\r\n', '\r', '{"a":1}\n', '{"ü":"😀"}\r\n', '[]\n', ' \t\n', '\ufeff', '{"a":\n')
        .map((s) => Buffer.from(s)),
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(`${json}\n`)),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => Buffer.concat(pieces));

function read(pieces: Buffer[]): unknown {
  const records: unknown[] = [];
  const reader = new JsonLinesReader(200, (line, row, raw, origin) => {
    const stored = origin?.bytes;
    records.push([line, row, raw, stored?.bytes.toString('utf8', stored.start, stored.end)]);
  });
  try {
    for (const piece of pieces) reader.push(piece);
    reader.end();
  } catch (error) {
    return { refused: (error as Error).message };
  }
  return { records, errors: reader.errors, errorCount: reader.errorCount };
}

describe('the line splitter', () => {
  /** Break it: in `JsonLinesReader`, look for a byte order mark in the first piece only. */
  it('gives the same result for any bytes in any pieces as in one piece', () => {
    fc.assert(
      fc.property(body, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(read(pieces)).toEqual(read([bytes]));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a record on its way into COPY', () => {
  /** Break it: in `RecordRows.take`, write the length of a payload after it. */
  it('is stored as it was sent, byte for byte, and each batch id and line number stands before its own', () => {
    const payload = fc.json({ stringUnit: 'binary' }).map((json) => `{"a": ${json}}`);
    fc.assert(
      fc.property(fc.array(payload, { minLength: 1, maxLength: 30 }), fc.maxSafeNat(), (lines, batchId) => {
        const rows = new RecordCollector(7);
        const reader = new JsonLinesReader(10_000, (line, _row, raw, origin) =>
          rows.add(line, raw, { error: null, orderingKeys: [] }, origin),
        );
        reader.push(Buffer.from(lines.join('\n')));
        reader.end();
        expect(copiedRows(rows.takeRows(batchId))).toEqual(
          lines.map((line, index) => [String(batchId), String(index + 1), line]),
        );
      }),
    );
  });
});

describe('the place of a syntax error', () => {
  /** Break it: in `json-syntax.ts`, let a number begin with zeros. */
  it('is found exactly if JSON.parse refuses', () => {
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', ',', '{', ']', '\\', '\u0001', '0', 'e'))
      .map(
        ([json, at, replacement]) =>
          json.slice(0, at % json.length) + replacement + json.slice((at % json.length) + 1),
      );
    fc.assert(
      fc.property(mutated, (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect(findJsonSyntaxError(text) === null).toBe(valid);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('COPY escaping', () => {
  /** Break it: in `copy-text.ts`, escape a CR as itself. */
  it('round-trips any text and never contains a field or row end', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('\\', 'N', '\t', '\n', '\r', 'a') }),
        ),
        (text) => {
          const field = copyField(text);
          expect(field).not.toMatch(/[\t\n\r]/);
          expect(parseCopyField(field)).toBe(text);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
