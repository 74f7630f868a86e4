import { OrderingKeys } from './rows.js';

const hashesOf = (keys: string[]) => {
  const collected = new OrderingKeys();
  for (const key of keys) collected.add(key);
  const taken = collected.take();
  return taken === null
    ? []
    : Array.from({ length: taken.length / 8 }, (_, i) => taken.readBigUInt64BE(8 * i));
};

describe('OrderingKeys', () => {
  it('gives the same hash for the same key, wherever it stands', () => {
    const [hash] = hashesOf([':Email\u0000ann@example.org']);
    expect(hashesOf(['x', ':Email\u0000ann@example.org', 'y'])).toContain(hash);
  });

  it('sorts, so that two chunks can be compared in one pass', () => {
    const hashes = hashesOf(Array.from({ length: 1000 }, (_, i) => `key ${i}`));
    expect(hashes).toEqual([...hashes].sort((a, b) => (a < b ? -1 : 1)));
  });

  it('tells 200,000 similar keys apart', () => {
    const hashes = hashesOf(Array.from({ length: 200_000 }, (_, i) => `:UniqueId\u0000M-${i}`));
    expect(new Set(hashes).size).toBe(200_000);
  });

  it('is empty again after it was taken', () => {
    const keys = new OrderingKeys();
    keys.add('a');
    keys.take();
    expect(keys.take()).toBeNull();
  });
});
