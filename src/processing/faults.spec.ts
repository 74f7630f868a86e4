import { CommonFaultError, faultKind } from './record-processing.js';

const coded = (code: string, more: object = {}) =>
  Object.assign(new Error(`fault ${code}`), { code, ...more });

describe('a fault', () => {
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
  ])('with the code %s is transient', (code) => expect(faultKind(coded(code))).toBe('transient'));

  it.each(['23505', '22P02', '22001', '54000'])('with the code %s belongs to a record', (code) =>
    expect(faultKind(coded(code))).toBe('data'),
  );

  it.each(['42P01', '42703', '42501', '57014', '25006', '53100', '55P03', '58030', 'P0001', 'XX000'])(
    'with the code %s belongs to the environment',
    (code) => expect(faultKind(coded(code))).toBe('environment'),
  );

  it('is transient if the connection was lost, in whichever words', () => {
    expect(faultKind(new Error('Connection terminated unexpectedly'))).toBe('transient');
    expect(faultKind(new Error('Client has encountered a connection error and is not queryable'))).toBe(
      'transient',
    );
    expect(faultKind(new Error('wrapped', { cause: coded('40P01') }))).toBe('transient');
  });

  it('belongs to the environment if the operating system reports it, or if all records fail alike', () => {
    expect(faultKind(coded('ENOSPC', { syscall: 'write' }))).toBe('environment');
    expect(faultKind(new CommonFaultError('all alike', { cause: new TypeError('x') }))).toBe('environment');
  });

  it('belongs to the code if it has no code', () => {
    expect(faultKind(new TypeError('x is not a function'))).toBe('code');
    expect(faultKind('thrown text')).toBe('code');
  });
});
