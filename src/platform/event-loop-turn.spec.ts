import { EventLoopTurn } from './concurrency.js';

const busyFor = (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

describe('a turn of the event loop', () => {
  it('is over after 25 ms of work, and begins again after others have run', async () => {
    const turn = new EventLoopTurn();
    expect(turn.isOver).toBe(false);
    busyFor(26);
    expect(turn.isOver).toBe(true);
    let othersRan = false;
    setImmediate(() => (othersRan = true));
    await turn.next();
    expect([othersRan, turn.isOver]).toEqual([true, false]);
  });

  /** Break it: in `EventLoopTurn.next`, call `setImmediate(resolve)`. */
  it('is alone in its pass of the event loop, however much work waits', async () => {
    const ran: string[] = [];
    const work = async (name: string) => {
      const turn = new EventLoopTurn();
      for (let n = 0; n < 3; n += 1) {
        await turn.next();
        ran.push(name);
      }
    };
    let isDone = false;
    const others = () => {
      ran.push('others');
      if (!isDone) setImmediate(others);
    };
    setImmediate(others);
    await Promise.all(['a', 'b', 'c', 'd'].map(work));
    isDone = true;
    const works = ran.filter((name) => name !== 'others');
    expect(works.join('')).toBe('abcdabcdabcd');
    expect(ran.filter((name, index) => name !== 'others' && ran[index + 1] !== 'others')).toEqual(['d']);
  });
});
