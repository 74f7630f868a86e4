import { SignInThrottle } from '../../src/auth/sign-in-throttle.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import { DomainError } from '../../src/platform/errors.js';
import { SharedLimits } from '../../src/platform/shared-limits.js';
import { eventually } from '../support/eventually.js';
import { PrivateRedis } from '../support/private-redis.js';

/** Of one account from one network. */
const ALLOWED = 10;

describe('the limits of failed sign-ins of two processes', () => {
  let redis: PrivateRedis;
  let limits: SharedLimits[];
  let throttles: [SignInThrottle, SignInThrottle];
  let accounts = 0;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    const config = { redisUrl: redis.url, queuePrefix: 'throttle' } as AppConfig;
    limits = [new SharedLimits(config), new SharedLimits(config)];
    throttles = limits.map((shared) => new SignInThrottle(shared)) as typeof throttles;
    for (const throttle of throttles) throttle.onModuleInit();
  });
  afterAll(async () => {
    for (const each of limits ?? []) each.beforeApplicationShutdown();
    await redis?.stop();
  });

  /** Each account with its own network, so that the tests do not count for each other. */
  const newSource = () => {
    accounts += 1;
    return { account: `user${accounts}@example.org`, address: `192.0.2.${accounts}`, knownBrowser: null };
  };
  type Source = ReturnType<typeof newSource>;
  /** Whether the process lets the attempt, which fails, go on to the password. */
  async function fails(throttle: SignInThrottle, source: Source): Promise<boolean> {
    try {
      await throttle.begin(source);
      return true;
    } catch (error) {
      if (error instanceof DomainError && error.code === 'too_many_failed_sign_ins') return false;
      throw error;
    }
  }
  async function failures(throttle: SignInThrottle, source: Source, count: number): Promise<number> {
    let allowed = 0;
    for (let i = 0; i < count; i += 1) if (await fails(throttle, source)) allowed += 1;
    return allowed;
  }
  /** Both processes are connected: what one counts, the other sees. */
  const together = () =>
    eventually(async () => {
      const source = newSource();
      await failures(throttles[0], source, ALLOWED);
      return !(await fails(throttles[1], source));
    }, 'processes that count together');

  /** Break it: in `SharedLimits.limit`, use `RateLimiterMemory`. */
  it('count together', async () => {
    await together();
    const source = newSource();
    expect(await failures(throttles[0], source, 6)).toBe(6);
    expect(await failures(throttles[1], source, 6)).toBe(4);
  });

  /** Break it: in `SharedLimits.limit`, leave out the insurance. */
  it('hold in each process on its own while Redis is away, and no attempt fails because of it', async () => {
    await together();
    await redis.down();
    const source = newSource();
    expect(await failures(throttles[0], source, 12)).toBe(ALLOWED);
    expect(await failures(throttles[1], source, 12)).toBe(ALLOWED);
    const other = newSource();
    await (await throttles[0].begin(other)).succeed();
    expect(await failures(throttles[0], other, 12)).toBe(ALLOWED);
    await redis.up();
  });

  /** Break it: in `SharedLimits.connection`, do not connect again (`retryStrategy: () => null`). */
  it('count together again when Redis is back, and remember what was counted before', async () => {
    await together();
    const source = newSource();
    expect(await failures(throttles[0], source, ALLOWED)).toBe(ALLOWED);
    await redis.down();
    await redis.up();
    await together();
    expect(await fails(throttles[1], source)).toBe(false);
  });
});
