import { Gate } from './concurrency.js';

describe('a gate', () => {
  it('admits callers up to its limit, then the others in the order of their arrival', async () => {
    const gate = new Gate(1);
    expect(await gate.enter()).toBe(true);
    const came: string[] = [];
    const second = gate.enter().then(() => came.push('second'));
    const third = gate.enter().then(() => came.push('third'));
    expect(gate.waiting).toBe(2);
    gate.leave();
    await second;
    gate.leave();
    await third;
    expect(came).toEqual(['second', 'third']);
    gate.leave();
    expect(gate.open).toBe(0);
  });

  it('turns away callers that waited too long, and frees no place for them', async () => {
    const gate = new Gate(1, { longestWaitMs: 1 });
    await gate.enter();
    expect(await gate.enter()).toBe(false);
    gate.leave();
    expect([gate.open, gate.waiting]).toEqual([0, 0]);
  });

  it('forgets callers that left while waiting', async () => {
    const gate = new Gate(1);
    await gate.enter();
    const gone = new AbortController();
    const waiting = gate.enter(gone.signal);
    gone.abort();
    expect(await waiting).toBe(false);
    expect(gate.waiting).toBe(0);
  });

  it('turns a caller away at once when the line is full', async () => {
    const gate = new Gate(1, { mostWaiting: 1 });
    await gate.enter();
    const waiting = gate.enter();
    expect(await gate.enter()).toBe(false);
    gate.leave();
    expect(await waiting).toBe(true);
  });

  it('runs work inside, leaves after a failure, and throws the refusal of a caller it turns away', async () => {
    const gate = new Gate(1, { longestWaitMs: 0 });
    const failing = gate.run(
      () => Promise.reject(new Error('broken')),
      () => new Error('unused'),
    );
    await expect(
      gate.run(
        () => Promise.resolve(1),
        () => new Error('full'),
      ),
    ).rejects.toThrow('full');
    await expect(failing).rejects.toThrow('broken');
    expect(gate.open).toBe(0);
  });
});
