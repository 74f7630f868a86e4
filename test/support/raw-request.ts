import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/**
 * Sends just this, which need not be HTTP, and answers what comes back: the whole of an answer with a Content-Length,
 * or what has arrived when the connection ends.
 */
export function rawRequest(url: string, request: string): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    const answered = (whole: boolean) => {
      const end = received.indexOf('\r\n\r\n');
      const [status = '', ...lines] = received.slice(0, Math.max(end, 0)).split('\r\n');
      const headers = new Headers(lines.map((line) => line.split(/: ?(.*)/, 2) as [string, string]));
      const text = received.slice(end + 4);
      const missing = end < 0 || Buffer.byteLength(text) < Number(headers.get('content-length') ?? Infinity);
      if (missing && !whole) return;
      resolve({ status: Number(status.split(' ')[1]), headers, text });
      socket.destroy();
    };
    socket.setEncoding('utf8').on('data', (piece) => {
      received += String(piece);
      answered(false);
    });
    socket.once('error', reject);
    socket.once('end', () => answered(true));
    socket.write(request);
  });
}
