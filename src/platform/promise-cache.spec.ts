import { PromiseCache } from './concurrency.js';

describe('PromiseCache', () => {
  it('lets calls at the same time share one piece of work', async () => {
    const cache = new PromiseCache<number>(10);
    const work = jest.fn(async () => 1);
    const [first, second] = await Promise.all([cache.get('a', work), cache.get('a', work)]);
    expect([first, second, work.mock.calls.length]).toEqual([1, 1, 1]);
  });

  it('forgets work that failed and tries again', async () => {
    const cache = new PromiseCache<number>(10);
    await expect(cache.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(cache.get('a', async () => 2)).resolves.toBe(2);
  });

  it('drops what was not used for longest when it is full', async () => {
    const cache = new PromiseCache<string>(2);
    await cache.get('a', async () => 'a1');
    await cache.get('b', async () => 'b1');
    await cache.get('a', async () => 'a2');
    await cache.get('c', async () => 'c1');
    expect(await cache.get('a', async () => 'a2')).toBe('a1');
    expect(await cache.get('b', async () => 'b2')).toBe('b2');
  });
});
