import { hashInTurn } from './passwords.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the queue of hashes', () => {
  it('runs two at a time, in order, and each once', async () => {
    const begun: number[] = [];
    const finish: (() => void)[] = [];
    const all = [0, 1, 2, 3].map((n) =>
      hashInTurn(() => {
        begun.push(n);
        return new Promise<number>((resolve) => finish.push(() => resolve(n)));
      }),
    );
    expect(begun).toEqual([0, 1]);
    finish[1]!();
    await expect(all[1]).resolves.toBe(1);
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    finish[0]!();
    await turn();
    expect(begun).toEqual([0, 1, 2, 3]);
    finish[2]!();
    finish[3]!();
    await expect(Promise.all(all)).resolves.toEqual([0, 1, 2, 3]);
  });

  it('continues after a failure', async () => {
    await expect(hashInTurn(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(Promise.all([1, 2, 3].map((n) => hashInTurn(() => Promise.resolve(n))))).resolves.toEqual([
      1, 2, 3,
    ]);
  });

  it('refuses work when too many are waiting, and accepts it when the queue has emptied', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const accepted = Array.from({ length: 102 }, () => hashInTurn(() => held));
    await expect(hashInTurn(() => held)).rejects.toMatchObject({ status: 503, code: 'too_many_sign_ins' });
    release();
    await Promise.all(accepted);
    await expect(hashInTurn(() => Promise.resolve('served'))).resolves.toBe('served');
  });
});
