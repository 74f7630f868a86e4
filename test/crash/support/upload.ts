import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { TEST_API_KEY } from '../../support/test-app.js';

export interface UploadAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: any;
}

/** A body that is sent piece by piece, and need not come to its end. */
export class Upload {
  private readonly request: ClientRequest;
  /** The answer; rejects if the connection breaks before it. */
  readonly answer: Promise<UploadAnswer>;

  constructor(url: string, path: string, headers: Record<string, string> = {}) {
    this.request = request(url + path, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `apikey ${TEST_API_KEY}`,
        'content-type': 'application/jsonl',
        'transfer-encoding': 'chunked',
        ...headers,
      },
    });
    this.answer = new Promise((resolve, reject) => {
      this.request.once('error', reject);
      this.request.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) }),
        );
      });
    });
    this.answer.catch(() => undefined);
  }

  /** Sends a piece and waits until it has left. */
  async send(text: string): Promise<void> {
    if (!this.request.write(text)) await Promise.race([once(this.request, 'drain'), this.answer]);
  }

  /** Ends the body and answers what the server says. */
  finish(): Promise<UploadAnswer> {
    this.request.end();
    return this.answer;
  }

  /** The client is gone, in the middle of what it says. */
  disconnect(): void {
    this.request.destroy();
  }
}
