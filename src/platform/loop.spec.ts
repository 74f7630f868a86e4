import { loopConformance } from '../../test/support/loop-conformance.js';
import { Loop, type LoopOptions } from './concurrency.js';

class Passes extends Loop {
  constructor(
    private readonly work: (stop: AbortSignal) => Promise<unknown>,
    options: Partial<LoopOptions> = {},
  ) {
    super({ intervalMs: 1, begins: 'at once', failure: 'the pass failed', ...options });
  }

  protected override pass(stop: AbortSignal): Promise<unknown> {
    return this.work(stop);
  }
}

loopConformance('the base', (work) => new Passes(work));

describe('a loop that begins after a pause', () => {
  it('makes no pass when it is stopped within that pause', async () => {
    const work = jest.fn(() => Promise.resolve());
    const loop = new Passes(work, { intervalMs: 3_600_000, begins: 'after a pause' });
    loop.start();
    await loop.stop();
    expect(work).not.toHaveBeenCalled();
  });
});
