import fc from 'fast-check';
import { isBlankRow } from '../../src/formats/table-survey.js';
import type { DomainError } from '../../src/platform/errors.js';
import { readTable, tableFile } from '../support/uploaded-table.js';

/** Text as cells have it: quotes, delimiters, line ends, letters of every width. */
const cell = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      '"',
      ',',
      ';',
      '\t',
      '|',
      '\n',
      '\r',
      ' ',
      'a',
      'Z',
      '0',
      'é',
      'ß',
      '€',
      '語',
      '😀',
      "'",
      '=',
    ),
    maxLength: 12,
  }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
/** Columns that can only be names. */
const header = fc.uniqueArray(fc.stringMatching(/^[A-Za-z][A-Za-z ]{0,8}[A-Za-z]$/), {
  minLength: 2,
  maxLength: 6,
});
const table = header.chain((names) =>
  fc.record({
    names: fc.constant(names),
    rows: fc.array(fc.array(cell, { minLength: names.length, maxLength: names.length }), {
      minLength: 1,
      maxLength: 8,
    }),
  }),
);
const ENCODERS = {
  'utf-8': (text: string) => Buffer.from(text),
  'utf-8 with a mark': (text: string) => Buffer.from(`\ufeff${text}`),
  'utf-16le': (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'utf-16be': (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
};
const dialect = fc.record({
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
  lastLineEnds: fc.boolean(),
  quotesAll: fc.boolean(),
  encoding: fc.constantFrom(...(Object.keys(ENCODERS) as (keyof typeof ENCODERS)[])),
});

type Table = typeof table extends fc.Arbitrary<infer T> ? T : never;
type Dialect = typeof dialect extends fc.Arbitrary<infer T> ? T : never;

function write(
  { names, rows }: Table,
  { delimiter, lineEnd, lastLineEnds, quotesAll, encoding }: Dialect,
): Buffer {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const needsQuotes = (text: string) => text.includes(delimiter) || /["\r\n]/.test(text);
  const lines = [names, ...rows].map((cells) =>
    cells.map((text) => (quotesAll || needsQuotes(text) ? quote(text) : text)).join(delimiter),
  );
  return ENCODERS[encoding](lines.join(lineEnd) + (lastLineEnds ? lineEnd : ''));
}

/**
 * Everything a reader answers, whatever it is.
 * @param cuts places from `first` on where the bytes are cut
 */
async function read(
  bytes: Buffer,
  cuts: readonly number[],
  {
    known = [],
    encoding = null,
    first = 0,
  }: { known?: readonly string[]; encoding?: string | null; first?: number } = {},
) {
  const places = [
    0,
    ...cuts.map((each) => first + (each % (bytes.length - first + 1))).sort((a, b) => a - b),
    bytes.length,
  ];
  const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
  try {
    const { records, understood } = await readTable(
      tableFile(...pieces),
      // Every cell comes back as it stands in the file.
      { encoding, emptyCells: 'clear', apostrophes: 'keep' },
      known.map((name) => ({ name })),
    );
    return {
      records: records.map(({ line, payload, errors }) => [line, payload, errors[0]?.message] as const),
      understood,
    };
  } catch (error) {
    return { thrown: (error as DomainError).message, errors: (error as DomainError).options?.errors };
  }
}

/** A file long enough for format, encoding and delimiter to be decided before its end. */
function padding(text: string, encoding: BufferEncoding): Buffer {
  const row = `${text.repeat(9000 / text.length)},x\n`;
  return Buffer.from(`Column,Other\n${row.repeat(30)}`, encoding);
}

const cuts = fc.array(fc.nat(5000), { maxLength: 40 });

describe('a CSV file', () => {
  /** Break it: in `CsvTokenizer`, leave doubled quotes as they are. */
  it('comes back cell by cell, whatever dialect it is written in and however its bytes are cut', async () => {
    await fc.assert(
      fc.asyncProperty(table, dialect, cuts, async (cells, as, at) => {
        const { records, understood } = await read(write(cells, as), at, { known: cells.names });
        expect(understood?.delimiter).toBe(as.delimiter);
        expect(understood?.columns?.map(({ target }) => target)).toEqual(cells.names);
        expect(records?.map(([, payload]) => payload)).toEqual(
          cells.rows
            .filter((row) => !isBlankRow(row))
            .map(
              (row) =>
                `{${row.map((text, n) => `${JSON.stringify(cells.names[n])}:${JSON.stringify(text)}`).join(',')}}`,
            ),
        );
      }),
      { numRuns: 1000 },
    );
  });

  /** Break it: in `CsvTokenizer`, do not count the line ends in a cell. */
  it('names the line on which each record begins, as an editor counts', async () => {
    await fc.assert(
      fc.asyncProperty(table, dialect, cuts, async (cells, as, at) => {
        const { records } = await read(write(cells, as), at, { known: cells.names });
        let line = 2;
        let index = 0;
        for (const row of cells.rows) {
          if (!isBlankRow(row)) expect(records?.[index++]?.[0]).toBe(line);
          line += 1 + (row.join('|').match(/\r\n|\n|\r/g)?.length ?? 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  /** Break it: in `CsvTokenizer`, do not wait for what comes after a CR; in `Utf8Decoding`, keep no tail. */
  it.each([
    ['as it is detected, in ASCII so far', null, padding('p', 'latin1')],
    ['as it is detected, UTF-8', null, padding('é', 'utf8')],
    ['as it is detected, Windows-1252', null, padding('né', 'latin1')],
    ['as it is stated, utf-8', 'utf-8', padding('é', 'utf8')],
    ['as it is stated, windows-1252', 'windows-1252', padding('é', 'latin1')],
    ['as it is stated, utf-16le', 'utf-16le', padding('é', 'utf16le')],
    ['as it is stated, shift_jis', 'shift_jis', padding('p', 'latin1')],
  ])('reads the same however its bytes are cut, be they what they may (%s)', async (_, encoding, before) => {
    const hazard = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .array(
          fc.constantFrom(0x22, 0x2c, 0x3b, 0x0a, 0x0d, 0x41, 0x42, 0x20, 0xc3, 0xa9, 0xe9, 0x80, 0x00),
          { maxLength: 300 },
        )
        .map((bytes) => Uint8Array.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(hazard, cuts, async (bytes, at) => {
        const file = Buffer.concat([before, bytes]);
        const options = { encoding, first: before.length };
        expect(await read(file, at, options)).toEqual(await read(file, [], options));
      }),
      { numRuns: 50 },
    );
  });
});
