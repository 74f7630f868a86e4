import { assertMeets, versionCondition } from './answers.js';

const isMet = (header: string | undefined) => {
  try {
    assertMeets(versionCondition(header), 3);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ status: 412, code: 'precondition_failed' });
    return false;
  }
};

describe('If-Match', () => {
  it.each([undefined, '*', '"3"', '"2", "3"', '"2","3"'])('lets version 3 be replaced: %s', (header) => {
    expect(isMet(header)).toBe(true);
  });

  it.each(['"2"', '3', 'W/"3"', '""', ''])('protects version 3: %j', (header) => {
    expect(isMet(header)).toBe(false);
  });
});
