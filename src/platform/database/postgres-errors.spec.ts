import { DatabaseUnreachableError, isDatabaseUnavailable } from './postgres-errors.js';

describe('a database that cannot be reached', () => {
  /** Break it: in `withoutPassword`, leave out the line of `canParse`, or the one that empties the password. */
  it.each([
    ['postgres://a:hunter2@db:5432/c', 'postgres://a@db:5432/c'],
    ['postgres://a:hunter2@/c?host=/var/run/postgresql', 'a socket'],
  ])('is named without the password: %s', (databaseUrl, place) => {
    const { message } = new DatabaseUnreachableError(databaseUrl, new Error('connection refused'));
    expect(message).toBe(`PostgreSQL at ${place} cannot be used: connection refused. Check DATABASE_URL.`);
  });
});

describe('an error that may be gone at the next try', () => {
  it.each(['40001', '40P01', '55000', '55P03', '57014', '57P01', '53300', '08006'])(
    'is answered 503 instead of 500 (SQLSTATE %s)',
    (code) => {
      expect(isDatabaseUnavailable(Object.assign(new Error('refused'), { code }))).toBe(true);
    },
  );

  it.each(['42P01', '23505', '22001'])('is not SQLSTATE %s', (code) => {
    expect(isDatabaseUnavailable(Object.assign(new Error('refused'), { code }))).toBe(false);
  });
});
