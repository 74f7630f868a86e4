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
});
