import type { Request, Response } from 'express';
import { AppLogger, requestContext } from '../instrumentation.js';

describe('AppLogger', () => {
  let lines: string[];

  beforeEach(() => {
    lines = [];
    const keep = (text: unknown) => lines.push(String(text)) > 0;
    jest.spyOn(process.stdout, 'write').mockImplementation(keep);
    jest.spyOn(process.stderr, 'write').mockImplementation(keep);
  });

  afterEach(() => jest.restoreAllMocks());

  const inRequest = (id: string, work: () => void) =>
    requestContext(
      { get: () => id } as unknown as Request,
      { setHeader: () => undefined } as unknown as Response,
      work,
    );
  const only = () => {
    expect(lines).toHaveLength(1);
    return lines[0]!;
  };

  it('writes one line of JSON with the id of the request', () => {
    inRequest('r-1', () => new AppLogger('log', false).log('done', { batchId: 3 }, 'Import'));
    expect(JSON.parse(only())).toMatchObject({
      level: 'log',
      message: 'done',
      context: 'Import',
      batchId: 3,
      requestId: 'r-1',
    });
  });

  it('writes text with the id of the request on a terminal', () => {
    inRequest('r-1', () => new AppLogger('log', true).warn('slow', 'Import'));
    expect(only()).toContain('[Import r-1]');
  });

  it('writes what is at least as grave as its level', () => {
    const logger = new AppLogger('warn', false);
    for (const level of ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'] as const) logger[level]('x');
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error', 'fatal']);
  });

  it('shows the wiring of the application only when asked for everything', () => {
    new AppLogger('log', false).log('Mapped {/, GET} route', 'RouterExplorer');
    expect(lines).toEqual([]);
    new AppLogger('verbose', false).log('Mapped {/, GET} route', 'RouterExplorer');
    expect(only()).toContain('Mapped');
  });

  it('hides keys, and the values PostgreSQL quotes in its errors', () => {
    const error = Object.assign(new Error('duplicate key'), {
      detail: 'Key (value)=(ann@example.org) already exists.',
    });
    new AppLogger('log', false).error(error, { authorization: 'apikey abc' }, 'Import');
    expect(only()).not.toContain('ann@example.org');
    expect(only()).not.toContain('apikey abc');
    expect(only()).toContain('duplicate key');
  });
});
