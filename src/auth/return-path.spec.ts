import { loginPath, returnPath } from './sessions.service.js';

describe('the path after the sign-in', () => {
  it.each(['/imports/17', '/imports?status=failed&q=a%20b', '/imports/17?show=all#records', '/queues/'])(
    'is the requested page: %s',
    (path) => expect(returnPath(path)).toBe(path),
  );

  it.each([
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    'javascript:alert(1)',
    'imports',
    '',
    '/login',
    '/logout',
    '/Login/',
    `/${'a'.repeat(3000)}`,
    ['/imports/1', '/imports/2'],
    undefined,
  ])('is the beginning instead of %j', (given) => expect(returnPath(given)).toBe('/'));

  it('is part of the URL of the sign-in page', () => {
    expect(loginPath('/imports/17?show=all')).toBe('/login?next=%2Fimports%2F17%3Fshow%3Dall');
    expect(loginPath('//evil.example')).toBe('/login');
    expect(loginPath()).toBe('/login');
    expect(loginPath('/imports/new/1', true)).toBe('/login?next=%2Fimports%2Fnew%2F1&unsent=yes');
    expect(loginPath(undefined, true)).toBe('/login?unsent=yes');
  });
});
