import fc from 'fast-check';
import type { ColumnRecipe, SavedMapping } from '../../src/formats/reading.js';
import { trimEnds } from '../../src/records/rows.js';
import type { ColumnKind } from '../../src/records/target.js';
import { readTable, tableFile } from '../support/uploaded-table.js';

const word = fc.string({ unit: fc.constantFrom('a', 'B', 'é', 'ß', ' ', '\u00a0', '1', '-'), maxLength: 6 });
const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** The values of one column that was read with a recipe; absent values are `undefined`. */
async function valuesOf(
  cells: readonly string[],
  recipe: ColumnRecipe,
  { kind = 'text', added = '' }: { kind?: ColumnKind; added?: string } = {},
): Promise<unknown[]> {
  const marks = added === '' ? ['', ''] : [`,${added}`, ',1'];
  const lines = [`Key,Value${marks[0]}`, ...cells.map((text) => `k,${text}${marks[1]}`)];
  const mapping: SavedMapping = {
    ...{ name: 'm', reading: {}, constants: {} },
    columns: { Value: { field: 'Field', ...recipe } },
  };
  const columns = [{ name: 'Key' }, { name: 'Field', kind }];
  const { records } = await readTable(tableFile(Buffer.from(lines.join('\n'))), {}, columns, mapping);
  return records.map(({ row }) => row.Field);
}

describe('a value recipe', () => {
  /** Break it: in `ValueRecipe.replaced`, do not trim; in `CellReader.read`, convert first. */
  it('replaces exactly the values of its map, whatever stands around them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(word, word), fc.array(word, { minLength: 1 }), async (values, cells) => {
        const read = await valuesOf(cells.map(cell), { values });
        const map = new Map(Object.entries(values).map(([from, to]) => [trimEnds(from), to]));
        const expected = cells.map((text) => (text === '' ? '' : (map.get(trimEnds(text)) ?? text)));
        expect(read).toEqual(expected.map((text) => (text === '' ? undefined : text)));
      }),
      { numRuns: 200 },
    );
  });

  /** Break it: in `CellReader`, let `trims` ignore the recipe. */
  it.each([
    ['ends', (text: string) => trimEnds(text)],
    ['none', (text: string) => text],
  ] as const)('trims text if it says %s', async (trim, expected) => {
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1 }), async (cells) => {
        const read = await valuesOf(cells.map(cell), { trim });
        expect(read).toEqual(cells.map((text) => expected(text) || undefined));
      }),
    );
  });

  /** Break it: in `ValueRecipe.cased`, answer the text as it is. */
  it.each([
    ['upper', 'ANNE-MARIE O’NEIL ÉVA'],
    ['lower', 'anne-marie o’neil éva'],
    ['title', 'Anne-Marie O’neil Éva'],
  ] as const)('writes text in %s case', async (kind, expected) => {
    expect(await valuesOf(['anne-MARIE o’neil ÉVA'], { case: kind })).toEqual([expected]);
    await fc.assert(
      fc.asyncProperty(word, async (text) => {
        const [once] = await valuesOf([cell(text)], { case: kind });
        if (once === undefined) return;
        expect(await valuesOf([cell(once as string)], { case: kind })).toEqual([once]);
      }),
    );
  });

  /** Break it: in `TableRows.emptyText`, do not ask the recipe. */
  it('gives empty cells its default, and no others', async () => {
    const blank = fc.constantFrom('', '""');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(blank, word.filter((text) => text !== '').map(cell)), { minLength: 1 }),
        word,
        async (cells, standIn) => {
          const read = await valuesOf(cells, { default: standIn });
          expect(read).toEqual(
            cells.map((text) => (text.replaceAll('"', '') === '' ? standIn : text.slice(1, -1))),
          );
        },
      ),
    );
  });

  /** Break it: in `TableRows.emptyText`, ask the reading of the file only. */
  it('decides about empty cells of its column', async () => {
    expect(await valuesOf(['', 'a'], { emptyCells: 'clear' })).toEqual(['', 'a']);
    expect(await valuesOf(['', 'a'], { emptyCells: 'keep' })).toEqual([undefined, 'a']);
    expect(await valuesOf(['n/a', 'a'], { values: { 'n/a': '' }, default: 'b' })).toEqual(['b', 'a']);
  });

  const day = fc.record({
    year: fc.integer({ min: 1000, max: 9999 }),
    month: fc.integer({ min: 1, max: 12 }),
    day: fc.integer({ min: 1, max: 12 }),
  });
  const padded = (part: number) => String(part).padStart(2, '0');

  /** Break it: in `TableSurvey.forms`, leave out `saved.dateOrder`. */
  it.each(['dmy', 'mdy', 'ymd'] as const)(
    'reads dates in the order %s that nothing else decides',
    async (order) => {
      await fc.assert(
        fc.asyncProperty(fc.array(day, { minLength: 1, maxLength: 5 }), async (days) => {
          const written = days.map(({ year, month, day: date }) =>
            [...order].map((part) => ({ d: date, m: month, y: year })[part]).join('.'),
          );
          const read = await valuesOf(written, { dateOrder: order }, { kind: 'date' });
          expect(read).toEqual(
            days.map(({ year, month, day: date }) => `${year}-${padded(month)}-${padded(date)}`),
          );
        }),
      );
    },
  );

  /** Break it: in `TableSurvey.forms`, prefer `saved.dateOrder` to the order that the file shows. */
  it('yields to dates and numbers that are evidently written in another way', async () => {
    expect(await valuesOf(['12/31/2025', '01/02/2025'], { dateOrder: 'dmy' }, { kind: 'date' })).toEqual([
      '2025-12-31',
      '2025-01-02',
    ]);
    const numbers = { kind: 'number' } as const;
    expect(await valuesOf(['4.5', '1.25'], { decimalMark: 'comma' }, numbers)).toEqual(['4.5', '1.25']);
    expect(await valuesOf(['"4,5"', '"1,25"'], { decimalMark: 'point' }, numbers)).toEqual(['4.5', '1.25']);
  });

  /** Break it: in `TableSurvey.forms`, leave out `saved.decimalMark`. */
  it('reads numbers with its decimal mark', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 1 }), fc.nat({ max: 9999 }), async (wholes, part) => {
        const written = wholes.map((whole) => `"${whole},${part}"`);
        expect(await valuesOf(written, { decimalMark: 'comma' }, { kind: 'number' })).toEqual(
          wholes.map((whole) => `${whole}.${part}`),
        );
      }),
    );
  });

  /** Break it: in the constructor of `ValueRecipe`, always keep the map; in `confirmed`, ignore `isOurs`. */
  it('does not change a value of our downloads a second time', async () => {
    const swapped = { values: { 1: '2', 2: '1' } };
    expect(await valuesOf(['1', '2'], swapped)).toEqual(['2', '1']);
    expect(await valuesOf(['2', '1'], swapped, { added: '_line' })).toEqual(['2', '1']);
    expect(await valuesOf(['M', 'Male'], { values: { M: 'Male' } }, { added: '_line' })).toEqual([
      'Male',
      'Male',
    ]);
    const ours = { kind: 'number', added: '_line' } as const;
    expect(await valuesOf(['1.234', '5.678'], { decimalMark: 'comma' }, ours)).toEqual(['1.234', '5.678']);
  });
});
