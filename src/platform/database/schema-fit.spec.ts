import { compareVersions } from './installation.js';

describe('the order of versions', () => {
  it.each([
    ['0.2.0', '0.1.9', 1],
    ['0.10.0', '0.9.0', 1],
    ['1.0.0', '1.0.0', 0],
    ['0.2.0', '0.2.0-rc.1', 1],
    ['0.2.0-rc.2', '0.2.0-rc.10', -1],
    ['0.2.0-alpha.1', '0.2.0-rc.1', -1],
    ['0.2.0-rc.1', '0.2.0-rc.1', 0],
    ['0.2.0-rc.1', '0.1.0', 1],
  ])('of %s and %s', (first, second, order) => {
    expect(compareVersions(first, second)).toBe(order);
    expect(compareVersions(second, first)).toBe(order === 0 ? 0 : -order);
  });
});
