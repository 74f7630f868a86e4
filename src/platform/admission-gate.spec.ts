import { AdmissionGate } from './concurrency.js';

describe('a gate', () => {
  it('lets so many in, and the others in the order in which they came', async () => {
    const gate = new AdmissionGate(1, 60_000);
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

  it('turns those away who have waited long enough, and frees nothing of theirs', async () => {
    const gate = new AdmissionGate(1, 1);
    await gate.enter();
    expect(await gate.enter()).toBe(false);
    gate.leave();
    expect([gate.open, gate.waiting]).toEqual([0, 0]);
  });

  it('forgets who went away while waiting', async () => {
    const gate = new AdmissionGate(1, 60_000);
    await gate.enter();
    const gone = new AbortController();
    const waiting = gate.enter(gone.signal);
    gone.abort();
    expect(await waiting).toBe(false);
    expect(gate.waiting).toBe(0);
  });
});
