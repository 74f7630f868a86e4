import { BACK_OFF_MS, backOff } from './message-sender.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('the back-off', () => {
  it('tries again within seconds, since most faults are short', () => {
    expect(backOff(1, BACK_OFF_MS)).toBe(5_000);
    expect(backOff(2, BACK_OFF_MS)).toBe(30_000);
  });

  it('waits longer after every failure, up to an hour, and never gives up', () => {
    const waits = Array.from({ length: 200 }, (_, index) => backOff(index + 1, BACK_OFF_MS));
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.slice(0, 6)).toEqual([5_000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR]);
    expect(waits.at(-1)).toBe(HOUR);
  });

  it('troubles a server that is down for a day with about thirty attempts', () => {
    let attempts = 0;
    for (let passed = 0; passed < 24 * HOUR; attempts++) passed += backOff(attempts + 1, BACK_OFF_MS);
    expect(attempts).toBeGreaterThan(24);
    expect(attempts).toBeLessThan(36);
  });

  it('refuses a schedule without a step', () => {
    expect(() => backOff(1, [])).toThrow('at least one step');
  });
});
