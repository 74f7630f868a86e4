import { networkOf, SignInThrottle } from './sign-in-throttle.js';

describe('SignInThrottle', () => {
  let now: number;
  let throttle: SignInThrottle;

  beforeEach(() => {
    now = 1000;
    throttle = new SignInThrottle(10, () => now);
  });

  const fail = (source: string, times: number) => {
    for (let i = 0; i < times; i++) throttle.begin(source);
  };

  it('makes a source wait after ten failures, not before', () => {
    fail('192.0.2.1', 9);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
    fail('192.0.2.1', 1);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(900);
  });

  it('counts each source separately', () => {
    fail('192.0.2.1', 10);
    expect(throttle.secondsToWait('192.0.2.2')).toBe(0);
  });

  it('counts the addresses of one IPv6 network as one', () => {
    expect(networkOf('2001:db8:0:1::1')).toBe(networkOf('2001:db8:0:1:ffff::2'));
    expect(networkOf('2001:db8:0:1:2:3:4:5')).not.toBe(networkOf('2001:db8:0:2::1'));
    expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
    expect(networkOf('::ffff:192.0.2.1')).toBe('::ffff:192.0.2.1');
  });

  it('forgets after a quarter of an hour', () => {
    fail('192.0.2.1', 10);
    now += 15 * 60_000;
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
    fail('192.0.2.1', 1);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
  });

  it('forgets all failures of one source on demand', () => {
    fail('ann@example.org', 9);
    throttle.forget('ann@example.org');
    fail('ann@example.org', 9);
    expect(throttle.secondsToWait('ann@example.org')).toBe(0);
  });

  it('removes an attempt that did not fail, and no earlier failure', () => {
    fail('192.0.2.1', 9);
    throttle.begin('192.0.2.1');
    throttle.takeBack('192.0.2.1');
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
    fail('192.0.2.1', 1);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(900);
  });

  it('remembers at most 10,000 sources', () => {
    fail('192.0.2.1', 10);
    for (let i = 0; i < 10_000; i++) throttle.begin(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
  });
});
