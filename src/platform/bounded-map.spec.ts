import { BoundedMap } from './concurrency.js';

describe('a bounded map', () => {
  it('replaces the entry that was unused for longest', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.get('a');
    map.set('c', 3);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 3, 2]);
  });

  it('deletes an entry only while it holds that value', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 2);
    map.deleteValue('a', 1);
    expect(map.get('a')).toBe(2);
    map.deleteValue('a', 2);
    expect(map.get('a')).toBeUndefined();
  });
});
