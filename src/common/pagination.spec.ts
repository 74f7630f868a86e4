import fc from 'fast-check';
import { decodeCursor, encodeCursor, nextLink, pageOf } from './pagination.js';

describe('cursors', () => {
  it('give back the position they were made from', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' }))), (position) => {
        expect(decodeCursor('Batches', encodeCursor('Batches', position))).toEqual(position);
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
    expect(() => decodeCursor('Batches', tampered)).toThrow(
      expect.objectContaining({ status: 400, code: 'invalid_cursor' }),
    );
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
