import { DatabaseUnreachableError } from './postgres-errors.js';

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
