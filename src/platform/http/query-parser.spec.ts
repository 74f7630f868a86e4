import { parse } from 'node:querystring';
import { parseQuery } from './protocol.js';

describe('parseQuery', () => {
  it.each([
    '',
    'a=1&b=2&a=3',
    'a',
    '=a&&b=',
    'a[b]=c',
    'a+b=c+d%2B',
    'q=100%&r=%zz%2',
    'name=%C3%A9%F0%9F%98%80%00',
    'name=%EF%BF%BD',
    '__proto__=x',
  ])('reads %s as Express does', (query) => {
    expect(parseQuery(query)).toEqual(parse(query));
  });

  /** Break it: in `decoded`, leave out `replaceAll`. */
  it.each(['%FF', '%ED%A0%80', '%C3', '%C0%AF', '100%&a=%FF', '%EF%BF%BD%FF'])(
    'does not pass off as text what is no UTF-8: %s',
    (text) => {
      const { a } = parseQuery(`a=${text}`);
      expect([a].flat().every((value) => value!.isWellFormed())).toBe(false);
    },
  );

  /** Break it: leave out `maxKeys`. */
  it('leaves no parameter out', () => {
    expect(parseQuery(`${'a=1&'.repeat(2000)}b=2`)).toMatchObject({ b: '2' });
  });
});
