import { parseAuthorization } from './authenticator.js';

describe('parseAuthorization', () => {
  it.each(['Bearer abc', 'bearer  abc', 'apikey abc', 'ApiKey abc', 'APIKEY   abc', '  apikey abc  '])(
    'reads the key of %j',
    (header) => {
      expect(parseAuthorization(header)).toEqual({ scheme: 'key', key: 'abc' });
    },
  );

  it.each([undefined, '', '   ', 'abc', 'Basic YTpi', 'bearerabc'])(
    'finds no credentials in %j',
    (header) => {
      expect(parseAuthorization(header)).toEqual({ scheme: 'none' });
    },
  );

  it.each(['apikey', 'Bearer', 'apikey two words', 'apikey schlüssel', `apikey ${'x'.repeat(513)}`])(
    'finds %j unusable',
    (header) => {
      expect(parseAuthorization(header)).toEqual({ scheme: 'unusable' });
    },
  );
});
