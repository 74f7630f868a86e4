import { connect, type Socket } from 'node:net';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const MIB = 1024 ** 2;

describe('a body that never ends', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api', RECEIVE_IDLE_MS: '1000' });
  });
  afterAll(() => app?.close());

  /** Sends a request whose body lacks its last byte, and reads until the connection is closed. */
  async function unfinished(head: string[], length: number): Promise<string> {
    const socket: Socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
    socket.on('error', () => undefined);
    socket.write(`${[...head, 'Host: x', `Content-Length: ${length}`].join('\r\n')}\r\n\r\n`);
    socket.write('a'.repeat(length - 1));
    // Not `once`, which would reject when the connection is reset.
    await new Promise((resolve) => socket.once('close', resolve));
    return answer;
  }

  const FORM = 'Content-Type: application/x-www-form-urlencoded';
  const JSON_TYPE = 'Content-Type: application/json';

  /** Break it: in `discardUnreadBodies`, do not cut off; in `BodyParsingInterceptor.intercept`, parse before the guard. */
  it.each<[string, string[], number, number]>([
    ['the sign-in form', ['POST /login HTTP/1.1', FORM], MIB, 413],
    ['a route that does not exist', ['POST /nothing HTTP/1.1', FORM], MIB, 404],
    ['a route that needs a key', ['POST /API/ApiKeys HTTP/1.1', JSON_TYPE], MIB, 401],
    ['a streamed route that needs a key', ['POST /API/WorkflowImportQueue/CreateBatch HTTP/1.1'], MIB, 401],
  ])('is refused before it is read, and its connection closed: %s', async (_, head, length, status) => {
    expect(await unfinished(head, length)).toContain(`HTTP/1.1 ${status} `);
  });

  /** Break it: in `discardUnreadBodies`, wait for `finish`: only the time is limited then. */
  it('is read to a limit after a refusal, by bytes, too', async () => {
    const limit = 64 * MIB;
    const socket: Socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    const head = [
      'POST /API/WorkflowImportQueue/CreateBatch HTTP/1.1',
      'Host: x',
      `Content-Length: ${4 * limit}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    socket.on('error', () => undefined).resume();
    const piece = Buffer.alloc(MIB);
    const write = () => void (socket.destroyed || (socket.write(piece) ? setImmediate(write) : 0));
    socket.on('drain', write);
    write();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.bytesWritten - socket.writableLength).toBeLessThan(limit + 32 * MIB);
  });

  /** Break it: in `BodyParsingInterceptor.parse`, wait without a limit. */
  it.each([
    ['without a key', ['POST /login HTTP/1.1', FORM]],
    ['with a key', ['POST /API/ApiKeys HTTP/1.1', JSON_TYPE, `Authorization: apikey ${TEST_API_KEY}`]],
  ])('is answered 408 if it is small: %s', async (_, head) => {
    const answer = await unfinished(head, 100);
    expect(answer).toContain('HTTP/1.1 408 ');
    expect(answer).toContain('The body arrives too slowly');
  });
});
