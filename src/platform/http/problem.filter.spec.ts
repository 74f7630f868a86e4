import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ArgumentsHost, Logger } from '@nestjs/common';
import express, { type Request, type Response } from 'express';
import { DomainError } from '../errors.js';
import { ProblemFilter } from './problem.filter.js';

describe('ProblemFilter', () => {
  let server: Server;
  let url: string;
  const logged = jest.fn();

  const refuse = (request: Request, response: Response, error: unknown) => {
    const http = { getRequest: () => request, getResponse: () => response };
    new ProblemFilter().catch(error, { switchToHttp: () => http } as ArgumentsHost);
  };

  beforeAll((done) => {
    jest.spyOn(Logger.prototype, 'error').mockImplementation(logged);
    jest.spyOn(Logger.prototype, 'debug').mockImplementation();
    const app = express();
    app.get('/half', (request, response) => {
      response.write('half of it', () => refuse(request, response, new Error('broken')));
    });
    app.get('/fault', (request, response) => refuse(request, response, new Error('secret')));
    app.get('/prepared', (request, response) => {
      response.attachment('members.csv').set({ ETag: '"1"', 'X-Request-Id': 'r-1' });
      refuse(request, response, new DomainError(410, 'gone', 'Gone', 'It is gone.'));
    });
    server = app.listen(0, '127.0.0.1', () => {
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      done();
    });
  });

  afterAll((done) => {
    jest.restoreAllMocks();
    server.close(done);
  });

  it('breaks the connection when half an answer is out, so that it does not look like a whole one', async () => {
    const response = await fetch(`${url}/half`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  it('writes the error of a fault to the log under the id it answers', async () => {
    logged.mockClear();
    const body = (await (await fetch(`${url}/fault?mail=ann@example.org`)).json()) as any;
    expect(body.instance).toBe('/fault');
    expect(logged).toHaveBeenCalledWith(
      expect.objectContaining({ message: 'secret' }),
      expect.objectContaining({ errorId: body.errorId, path: '/fault' }),
    );
  });

  it('takes back what the handler said of the body it did not send, and nothing else', async () => {
    const { headers } = await fetch(`${url}/prepared`);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('content-disposition')).toBeNull();
    expect(headers.get('etag')).toBeNull();
    expect(headers.get('x-request-id')).toBe('r-1');
  });
});
