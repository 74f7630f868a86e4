import { receiverOf, retryAfterMs } from './webhook-endpoint.js';

describe('the time to wait', () => {
  const now = Date.parse('2026-11-28T12:00:00Z');

  it.each([
    ['120', 120_000],
    ['Sat, 28 Nov 2026 12:02:00 GMT', 120_000],
    ['Sat, 28 Nov 2026 11:00:00 GMT', undefined],
    ['0', undefined],
    ['soon', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ])('that Retry-After: %s asks for is %s ms', (value, wait) => {
    expect(retryAfterMs(value, now)).toBe(wait);
  });
});

describe('the receiver of a URL', () => {
  it.each([
    ['https://Hooks.example.org:8443/a?b#c', 'hooks.example.org:8443'],
    ['http://[::1]:80/', '[::1]:80'],
    ['http:\\\\odd.example.org\\path', 'odd.example.org'],
  ])('%s is %s', (url, receiver) => {
    expect(receiverOf(url)).toBe(receiver);
  });
});
