import { parseAuthorization } from './authorization-header.js';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('parseAuthorization', () => {
  it.each(['apikey abc', 'ApiKey abc', 'APIKEY   abc', '  apikey abc  '])('reads the key of %j', (header) => {
    expect(parseAuthorization(header)).toEqual({ scheme: 'apikey', key: 'abc' });
  });

  it('splits user and password at the first colon, in UTF-8', () => {
    expect(parseAuthorization(basic('ann@example.org:pass:wörd'))).toEqual({
      scheme: 'basic',
      user: 'ann@example.org',
      password: 'pass:wörd',
    });
  });

  it.each([undefined, '', '   '])('finds no credentials in %j', (header) => {
    expect(parseAuthorization(header)).toEqual({ scheme: 'none' });
  });

  it.each([
    'apikey',
    'apikey two words',
    'apikey schlüssel',
    `apikey ${'x'.repeat(513)}`,
    'abc',
    'Bearer abc',
    'Basic',
    'Basic !!',
    basic('no colon'),
  ])('cannot use %j', (header) => {
    expect(parseAuthorization(header)).toEqual({ scheme: 'unusable' });
  });
});
