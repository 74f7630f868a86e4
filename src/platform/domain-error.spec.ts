import { defineErrors, DomainError } from './errors.js';

describe('defineErrors', () => {
  const errors = defineErrors({ empty_body: { status: 400, title: 'The body contains no record' } });

  it('creates errors that share code, status and title', () => {
    const error = errors.empty_body('Nothing was stored.', { limit: 3 });
    expect(error).toBeInstanceOf(DomainError);
    expect(error).toMatchObject({
      code: 'empty_body',
      status: 400,
      title: 'The body contains no record',
      message: 'Nothing was stored.',
      options: { limit: 3 },
    });
  });

  it('keeps the cause', () => {
    const cause = new Error('below');
    expect(errors.empty_body('Nothing was stored.', { cause }).cause).toBe(cause);
  });

  it('lists what it defines, for the documentation', () => {
    const listed = Object.values(errors).map(({ code, status, title }) => ({ code, status, title }));
    expect(listed).toEqual([{ code: 'empty_body', status: 400, title: 'The body contains no record' }]);
  });
});
