import { workAhead } from './concurrency.js';

async function* numbersTo(last: number): AsyncGenerator<number> {
  for (let each = 1; each <= last; each += 1) yield await Promise.resolve(each);
}

/** Work that ends when the test says so. */
class Begun {
  readonly ends = new Map<number, (error?: Error) => void>();

  readonly work = (item: number) =>
    new Promise<string>((resolve, reject) =>
      this.ends.set(item, (error) => (error === undefined ? resolve(`done ${item}`) : reject(error))),
    );
}

describe('work ahead of its use', () => {
  it('has results in the order of the items, whichever ends first', async () => {
    const begun = new Begun();
    const results = workAhead(numbersTo(3), 2, begun.work);
    const first = results.next();
    while (begun.ends.size < 3) await new Promise(setImmediate);
    for (const item of [3, 2, 1]) begun.ends.get(item)?.();
    expect([(await first).value, (await results.next()).value, (await results.next()).value]).toEqual([
      'done 1',
      'done 2',
      'done 3',
    ]);
    expect((await results.next()).done).toBe(true);
  });

  it('begins no more than allowed before the first result is used', async () => {
    const begun = new Begun();
    const first = workAhead(numbersTo(9), 2, begun.work).next();
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect([...begun.ends.keys()]).toEqual([1, 2, 3]);
    begun.ends.get(1)?.();
    expect((await first).value).toBe('done 1');
  });

  it('throws an error when its turn comes, and not before', async () => {
    const begun = new Begun();
    const results = workAhead(numbersTo(3), 2, begun.work);
    const first = results.next();
    while (begun.ends.size < 3) await new Promise(setImmediate);
    begun.ends.get(2)?.(new Error('two failed'));
    begun.ends.get(3)?.();
    begun.ends.get(1)?.();
    expect((await first).value).toBe('done 1');
    await expect(results.next()).rejects.toThrow('two failed');
  });

  it('waits for what is under way when its caller stops early', async () => {
    const begun = new Begun();
    const results = workAhead(numbersTo(9), 2, begun.work);
    const first = results.next();
    while (begun.ends.size < 3) await new Promise(setImmediate);
    begun.ends.get(1)?.();
    await first;
    let hasStopped = false;
    const stopped = results.return(undefined).then(() => (hasStopped = true));
    await new Promise(setImmediate);
    expect(hasStopped).toBe(false);
    begun.ends.get(2)?.();
    begun.ends.get(3)?.(new Error('nobody asks'));
    expect(await stopped).toBe(true);
  });
});
