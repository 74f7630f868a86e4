import { findTooDeepNesting } from './nesting.js';

const nested = (levels: number) => '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1);

describe('findTooDeepNesting', () => {
  it('accepts a flat object and one that nests exactly to the limit', () => {
    expect(findTooDeepNesting('{"a":1}', 64)).toBe(-1);
    expect(findTooDeepNesting(nested(64), 64)).toBe(-1);
  });

  it('points at the bracket that is one level too much', () => {
    expect(findTooDeepNesting(nested(65), 64)).toBe('{"a":'.length * 64);
    expect(findTooDeepNesting(`{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 64)).toBe('{"a":'.length + 63);
  });

  it('does not count brackets inside strings', () => {
    expect(findTooDeepNesting(`{"a":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}`, 64)).toBe(-1);
  });
});
