import fc from 'fast-check';
import { FORGED_POSITIONS, sealed } from '../../../test/support/forged-cursors.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, nextLink, pageOf } from './pagination.js';

describe('cursors', () => {
  it('give back the position they were made from', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (position) => {
        const highest = position.map(() => HIGHEST_ID);
        expect(decodeCursor('Batches', encodeCursor('Batches', position), ...highest)).toEqual(position);
      }),
    );
  });

  const cursor = encodeCursor('Batches', [17]);

  it.each([
    ['empty', ''],
    ['changed in one character', `${cursor.slice(0, -1)}${cursor.endsWith('A') ? 'B' : 'A'}`],
    ['cut', cursor.slice(0, -2)],
    ['padded', `${cursor}=`],
    ['of another list', encodeCursor('Records', [17])],
    ['a plain number', '17'],
    ['made by hand', Buffer.from('[1]').toString('base64url')],
  ])('refuse one that is %s', (_, tampered) => {
    expect(() => decodeCursor('Batches', tampered, HIGHEST_ID)).toThrow(
      expect.objectContaining({ status: 400, code: 'invalid_cursor' }),
    );
  });
});

describe('a position that somebody sealed', () => {
  const refused = expect.objectContaining({ status: 400, code: 'invalid_cursor' });

  /**
   * Break it: in `decodeCursor`, leave out `isPosition`; for text that is not JSON, in `parseJson`, leave out the try.
   */
  it.each(FORGED_POSITIONS)('is refused when it is %s', (text) => {
    expect(() => decodeCursor('Batches', sealed('Batches', text), HIGHEST_ID)).toThrow(refused);
  });

  /** Break it: in `isPosition`, leave out `<= most`. */
  it('is refused when it passes what the column holds', () => {
    expect(decodeCursor('Records', sealed('Records', '[7]'), 7)).toEqual([7]);
    expect(() => decodeCursor('Records', sealed('Records', '[8]'), 7)).toThrow(refused);
  });
});

describe('a page', () => {
  const cut = (rows: number[]) =>
    pageOf(
      rows,
      2,
      (last) => `after ${last}`,
      (row) => ({ row }),
    );

  it('names the last item it shows when there are more', () => {
    expect(cut([1, 2, 3])).toEqual({ items: [{ row: 1 }, { row: 2 }], nextCursor: 'after 2' });
  });

  it('is the last one when the rows are used up', () => {
    expect(cut([1, 2])).toEqual({ items: [{ row: 1 }, { row: 2 }], nextCursor: null });
    expect(cut([])).toEqual({ items: [], nextCursor: null });
  });

  it('links to the same request with the next cursor in place of the old', () => {
    expect(nextLink('/API/Batches?q=a%20b&after=old&limit=2', 'new')).toBe(
      '</API/Batches?q=a+b&after=new&limit=2>; rel="next"',
    );
    expect(nextLink('/API/Batches', null)).toBeUndefined();
  });
});
