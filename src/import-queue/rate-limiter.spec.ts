import { RateLimiter, rateLimitHeaders } from './admission.service.js';

describe('the rate of calls', () => {
  let now = 0;
  const limiter = (perMinute: number) => new RateLimiter(perMinute, () => now);
  beforeEach(() => (now = 0));

  it('lets a burst of a minute through, then one call each time there is room, and says when', () => {
    const rate = limiter(60);
    for (let call = 1; call <= 60; call += 1) expect(rate.take('a').allowed).toBe(true);
    expect(rate.take('a')).toEqual({ allowed: false, limit: 60, remaining: 0, seconds: 1 });
    now += 1000;
    expect(rate.take('a').allowed).toBe(true);
    expect(rate.take('a').allowed).toBe(false);
  });

  it('is counted per caller', () => {
    const rate = limiter(1);
    expect(rate.take('a').allowed).toBe(true);
    expect(rate.take('a').allowed).toBe(false);
    expect(rate.take('b').allowed).toBe(true);
  });

  it('is told in the headers of the RateLimit draft', () => {
    expect(rateLimitHeaders(limiter(60).take('a'))).toEqual({
      'RateLimit-Policy': '"create";q=60;w=60',
      RateLimit: '"create";r=59;t=1',
    });
  });
});
