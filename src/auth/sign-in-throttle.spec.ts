import { SignInThrottle } from './sign-in-throttle.js';

describe('SignInThrottle', () => {
  let now: number;
  let throttle: SignInThrottle;

  beforeEach(() => {
    now = 1000;
    throttle = new SignInThrottle(() => now);
  });

  const fail = (address: string, times: number) => {
    for (let i = 0; i < times; i++) throttle.failed(address);
  };

  it('makes an address wait after ten failures, not before', () => {
    fail('192.0.2.1', 9);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
    fail('192.0.2.1', 1);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(900);
  });

  it('counts each address for itself', () => {
    fail('192.0.2.1', 10);
    expect(throttle.secondsToWait('192.0.2.2')).toBe(0);
  });

  it('takes the addresses of one IPv6 network together', () => {
    fail('2001:db8:0:1::1', 5);
    fail('2001:db8:0:1:ffff::2', 5);
    expect(throttle.secondsToWait('2001:db8:0:1:2:3:4:5')).toBeGreaterThan(0);
    expect(throttle.secondsToWait('2001:db8:0:2::1')).toBe(0);
  });

  it('forgets after a quarter of an hour', () => {
    fail('192.0.2.1', 10);
    now += 15 * 60_000;
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
    fail('192.0.2.1', 1);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
  });

  it('forgets failures when a sign-in succeeds', () => {
    fail('192.0.2.1', 9);
    throttle.succeeded('192.0.2.1');
    fail('192.0.2.1', 9);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
  });

  it('remembers no more than 10,000 addresses', () => {
    fail('192.0.2.1', 10);
    for (let i = 0; i < 10_000; i++) throttle.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    expect(throttle.secondsToWait('192.0.2.1')).toBe(0);
  });
});
