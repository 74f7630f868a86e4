import * as fc from 'fast-check';
import { blockerOf, haveCommonKey } from './record-processing.js';

const keys = (...values: bigint[]): Buffer => {
  const buffer = Buffer.alloc(8 * values.length);
  values
    .sort((a, b) => (a < b ? -1 : Number(a > b)))
    .forEach((value, index) => buffer.writeBigUInt64BE(value, 8 * index));
  return buffer;
};

describe('the ordering of chunks', () => {
  it('finds a common key exactly where two sorted lists have one', () => {
    const key = fc.oneof(fc.bigInt({ min: 0n, max: 20n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    const list = fc.array(key, { maxLength: 12 });
    fc.assert(
      fc.property(list, list, (a, b) => {
        expect(haveCommonKey(keys(...a), keys(...b))).toBe(a.some((one) => b.includes(one)));
      }),
    );
  });

  it('lets a chunk wait for the nearest earlier one that shares a key', () => {
    const open = [
      { chunkNumber: 5, orderingKeys: keys(1n, 2n) },
      { chunkNumber: 4, orderingKeys: keys(9n) },
      { chunkNumber: 3, orderingKeys: keys(2n) },
      { chunkNumber: 1, orderingKeys: keys(1n) },
    ];
    expect(blockerOf(open, false)).toBe(3);
  });

  it('lets chunks without a common key run side by side', () => {
    const open = [
      { chunkNumber: 2, orderingKeys: keys(1n) },
      { chunkNumber: 1, orderingKeys: keys(2n) },
    ];
    expect(blockerOf(open, false)).toBeNull();
    expect(blockerOf([{ chunkNumber: 2, orderingKeys: null }, open[1]!], false)).toBeNull();
    expect(blockerOf([open[0]!, { chunkNumber: 1, orderingKeys: null }], false)).toBeNull();
  });

  it('lets every chunk of an ordered import wait for the one before it', () => {
    const open = [
      { chunkNumber: 2, orderingKeys: null },
      { chunkNumber: 1, orderingKeys: null },
    ];
    expect(blockerOf(open, true)).toBe(1);
    expect(blockerOf(open.slice(1), true)).toBeNull();
  });
});
