import { parseAuthorization } from './authenticator.js';

describe('parseAuthorization', () => {
  it.each(['apikey abc', 'ApiKey abc', 'APIKEY   abc', '  apikey abc  '])('reads the key of %j', (header) => {
    expect(parseAuthorization(header)).toEqual({ scheme: 'apikey', key: 'abc' });
  });

  it.each([undefined, '', '   ', 'abc', 'Bearer abc', 'Basic YTpi'])(
    'finds no credentials in %j',
    (header) => {
      expect(parseAuthorization(header)).toEqual({ scheme: 'none' });
    },
  );

  it.each(['apikey', 'apikey two words', 'apikey schlüssel', `apikey ${'x'.repeat(513)}`])(
    'finds %j unusable',
    (header) => {
      expect(parseAuthorization(header)).toEqual({ scheme: 'unusable' });
    },
  );
});
