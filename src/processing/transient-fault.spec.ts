import { isTransientFault } from './record-processing.js';

const coded = (code: string) => Object.assign(new Error(`fault ${code}`), { code });

describe('a fault of a chunk', () => {
  it.each([
    '25P03',
    '40P01',
    '40001',
    '57P01',
    '57P03',
    '08006',
    '53300',
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
  ])('with the code %s is transient', (code) => expect(isTransientFault(coded(code))).toBe(true));

  it.each(['23505', '22P02', '42P01', '57014', 'P0001'])('with the code %s is not', (code) =>
    expect(isTransientFault(coded(code))).toBe(false),
  );

  it('is transient when the connection was lost, however that is said', () => {
    expect(isTransientFault(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(
      isTransientFault(new Error('Client has encountered a connection error and is not queryable')),
    ).toBe(true);
    expect(isTransientFault(new Error('wrapped', { cause: coded('40P01') }))).toBe(true);
  });

  it('is not transient when it is a plain mistake', () => {
    expect(isTransientFault(new TypeError('x is not a function'))).toBe(false);
    expect(isTransientFault('thrown text')).toBe(false);
  });
});
