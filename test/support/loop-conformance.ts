import { Logger } from '@nestjs/common';
import type { Loop } from '../../src/platform/concurrency.js';

/**
 * What every loop keeps to. Call it from a spec with a way to make the loop around a piece of work, with a pause of a
 * few milliseconds.
 */
export function loopConformance(
  name: string,
  make: (work: (stop: AbortSignal) => Promise<unknown>) => Loop,
): void {
  describe(`${name}, as a loop`, () => {
    afterEach(() => jest.restoreAllMocks());

    it('repeats its pass, and never runs two at a time', async () => {
      let running = 0;
      let most = 0;
      const passes = countdown(3);
      const loop = make(async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running -= 1;
        passes.count();
      });
      loop.start();
      loop.start();
      await passes.done;
      await loop.stop();
      expect([most, running]).toEqual([1, 0]);
    });

    it('logs a pass that throws, and continues', async () => {
      const logged = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      const passes = countdown(2);
      const loop = make(() => {
        passes.count();
        return Promise.reject(new Error('broken pass'));
      });
      loop.start();
      await passes.done;
      await loop.stop();
      expect(logged.mock.calls[0]).toEqual([expect.anything(), expect.stringContaining('broken pass')]);
    });

    it('aborts the pass under way when it stops, and waits for its end', async () => {
      let ended = false;
      const begun = countdown(1);
      const loop = make(async (stop) => {
        begun.count();
        await new Promise((resolve) => stop.addEventListener('abort', resolve));
        await new Promise(setImmediate);
        ended = true;
      });
      loop.start();
      await begun.done;
      await loop.stop();
      expect(ended).toBe(true);
    });

    it('makes no pass after it was stopped, even when it is started again', async () => {
      const work = jest.fn(() => Promise.resolve());
      const loop = make(work);
      loop.start();
      await loop.stop();
      work.mockClear();
      loop.start();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(work).not.toHaveBeenCalled();
    });

    it('can be stopped before it was started, and twice', async () => {
      const work = jest.fn(() => Promise.resolve());
      const loop = make(work);
      await loop.stop();
      await loop.stop();
      loop.start();
      await loop.stop();
      expect(work).not.toHaveBeenCalled();
    });
  });
}

function countdown(from: number): { done: Promise<void>; count: () => void } {
  let left = from;
  let resolve = () => {};
  const done = new Promise<void>((settle) => (resolve = settle));
  return {
    done,
    count: () => {
      left -= 1;
      if (left === 0) resolve();
    },
  };
}
