import { BadRequestException } from '@nestjs/common';
import { DomainError } from '../errors.js';
import { problemJson, toProblem } from './problem.filter.js';

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });
const codeOf = (error: unknown) => toProblem(error, 'id-1').code;

describe('toProblem', () => {
  it('tells what a domain error tells', () => {
    const error = new DomainError(413, 'line_too_long', 'Too long', 'Line 3 is too long.', {
      limit: 10,
      errors: [{ line: 3, code: 'line_too_long', message: 'is too long' }],
      extensions: { currentStatus: 'queued' },
      headers: { 'Retry-After': '1' },
    });
    const problem = toProblem(error, 'id-1');
    expect(problem.headers).toEqual({ 'Retry-After': '1' });
    expect(problemJson(problem, '/x')).toEqual({
      type: 'urn:workflow-import-queue:problem:line_too_long',
      title: 'Too long',
      status: 413,
      detail: 'Line 3 is too long.',
      instance: '/x',
      code: 'line_too_long',
      errors: [{ line: 3, code: 'line_too_long', message: 'is too long' }],
      errorCount: 1,
      limit: 10,
      currentStatus: 'queued',
    });
  });

  it('lists at most 100 errors and says how many there are', () => {
    const errors = Array.from({ length: 101 }, (_, line) => ({ line, code: 'c', message: 'm' }));
    const body = problemJson(
      toProblem(new DomainError(400, 'c', 't', 'd', { errors, errorCount: 5000 }), ''),
      '/',
    );
    expect(body.errors).toHaveLength(100);
    expect(body.errorCount).toBe(5000);
  });

  it('shows nothing of an unforeseen error but an id', () => {
    const body = problemJson(toProblem(new Error('password is hunter2'), 'id-1'), '/x');
    expect(body).toMatchObject({ status: 500, code: 'internal_error', errorId: 'id-1' });
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('keeps the status of what the framework refuses', () => {
    expect(toProblem(new BadRequestException('no'), '')).toMatchObject({
      status: 400,
      code: 'bad_request',
      detail: 'no',
    });
  });

  it.each([
    ['a refused connection', coded('ECONNREFUSED')],
    ['a server that shuts down', coded('57P01')],
    ['a server that starts', coded('57P03')],
    ['a standby', coded('25006')],
    ['a lost connection', coded('08006')],
    ['a connection lost without a code', new Error('Connection terminated unexpectedly')],
    ['a full pool', new Error('timeout exceeded when trying to connect')],
    ['one inside the error of TypeORM', Object.assign(new Error('x'), { driverError: coded('57P01') })],
    ['one as the cause', new Error('x', { cause: coded('ECONNRESET') })],
    ['both addresses of a name', new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])],
  ])('asks to come again for %s', (_, error) => {
    expect(toProblem(error, '')).toMatchObject({
      status: 503,
      code: 'database_unavailable',
      headers: { 'Retry-After': '5' },
    });
  });

  it.each([
    ['a violated constraint', coded('23505')],
    ['a wrong statement', coded('42601')],
    ['what is no error', 'text'],
    ['an error that is its own cause', selfCaused()],
  ])('takes %s for a fault of ours', (_, error) => {
    expect(codeOf(error)).toBe('internal_error');
  });
});

function selfCaused(): Error {
  const error = new Error('loop');
  error.cause = error;
  return error;
}
