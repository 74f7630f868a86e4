import { RateLimiterMemory } from 'rate-limiter-flexible';
import { type LimitRule, SharedLimit, type SharedLimits } from '../platform/shared-limits.js';
import { networkOf, type SignInSource, SignInThrottle } from './sign-in-throttle.js';

const ANN: SignInSource = { account: 'ann@example.org', address: '192.0.2.1', knownBrowser: null };

describe('SignInThrottle', () => {
  let throttle: SignInThrottle;

  beforeEach(() => {
    const limit = ({ points, windowSeconds }: LimitRule) =>
      new SharedLimit(new RateLimiterMemory({ points, duration: windowSeconds }));
    throttle = new SignInThrottle({ limit } as unknown as SharedLimits);
    throttle.onModuleInit();
  });

  const fail = async (times: number, source: (n: number) => Partial<SignInSource> = () => ({})) => {
    for (let n = 0; n < times; n++) await throttle.begin({ ...ANN, ...source(n) });
  };
  const attempt = (source: Partial<SignInSource> = {}) => throttle.begin({ ...ANN, ...source });
  const REFUSED = { status: 429, code: 'too_many_failed_sign_ins' };

  it('refuses an account from one network after ten failures, not before', async () => {
    await fail(10);
    await expect(attempt()).rejects.toMatchObject(REFUSED);
    await expect(attempt({ address: '192.0.2.2' })).resolves.toHaveProperty('succeed');
    await expect(attempt({ account: 'bob@example.org' })).resolves.toHaveProperty('succeed');
  });

  it('refuses a network after twenty failures at any accounts', async () => {
    await fail(20, (n) => ({ account: `guess${n}@example.org` }));
    await expect(attempt()).rejects.toMatchObject(REFUSED);
  });

  it('refuses an account after thirty failures from any networks, but no browser that it knows', async () => {
    await fail(30, (n) => ({ address: `198.51.100.${n}` }));
    await expect(attempt()).rejects.toMatchObject(REFUSED);
    await expect(attempt({ knownBrowser: 'hers' })).resolves.toHaveProperty('succeed');
    await fail(9, () => ({ knownBrowser: 'hers' }));
    await expect(attempt({ knownBrowser: 'hers' })).rejects.toMatchObject(REFUSED);
    await expect(attempt({ knownBrowser: 'another of hers' })).resolves.toHaveProperty('succeed');
  });

  it('does not count refusals, and says how long to wait', async () => {
    await fail(10);
    for (let n = 0; n < 15; n++) await expect(attempt()).rejects.toMatchObject(REFUSED);
    await expect(attempt()).rejects.toMatchObject({ options: { headers: { 'Retry-After': '900' } } });
    await expect(attempt({ account: 'bob@example.org' })).resolves.toHaveProperty('succeed');
  });

  it('forgets the failures of an account from a network when the password was right', async () => {
    await fail(9);
    await (await attempt()).succeed();
    await fail(9);
    await expect(attempt()).resolves.toHaveProperty('succeed');
  });

  it('keeps the failures of a network when a password was right', async () => {
    await fail(19, (n) => ({ account: `guess${n}@example.org` }));
    await (await attempt()).succeed();
    await attempt();
    await expect(attempt()).rejects.toMatchObject(REFUSED);
  });

  it('removes an attempt whose password was not checked', async () => {
    await fail(9);
    await (await attempt()).takeBack();
    await expect(attempt()).resolves.toHaveProperty('succeed');
    await expect(attempt()).rejects.toMatchObject(REFUSED);
  });

  it('counts the addresses of one IPv6 network as one', () => {
    expect(networkOf('2001:db8:0:1::1')).toBe(networkOf('2001:db8:0:1:ffff::2'));
    expect(networkOf('2001:db8:0:1:2:3:4:5')).not.toBe(networkOf('2001:db8:0:2::1'));
    expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
    expect(networkOf('::ffff:192.0.2.1')).toBe('::ffff:192.0.2.1');
  });
});
