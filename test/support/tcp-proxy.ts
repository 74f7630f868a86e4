import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  /** The URL given, through the proxy. */
  url: string;
  /** Connections stay open and carry nothing any more, as when a cable is pulled. */
  silence(): void;
  /** Breaks every connection and refuses new ones until `restore`. */
  cut(): void;
  restore(): void;
  /** Breaks every connection each time this number of bytes has come from clients; they may connect again at once. */
  breakEvery(bytes: number): void;
  /** Does as `cut` does once this number of bytes has come from clients. */
  cutAfter(bytes: number): void;
  /**
   * Lets the next piece that contains the text reach the server, and breaks its connection before the answer. Resolves
   * once the piece is on its way.
   */
  cutAfterNext(text: string): Promise<void>;
  /** Leads the connections that are made from now on to another server. */
  leadTo(target: string): void;
  close(): Promise<void>;
}

/** Stands between the application and a real server, to take it away and bring it back. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  let url = new URL(target);
  const sockets = new Set<Socket>();
  let state: 'open' | 'silent' | 'cut' = 'open';
  let lastPiece: { text: string; isSent: () => void } | null = null;
  let breakEvery = Infinity;
  let sinceBreak = 0;
  let staysCut = false;

  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy();
      return;
    }
    const upstream = connect(Number(url.port), url.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        if (state !== 'open') return;
        if (!to.write(bytes)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
        if (from === client && (sinceBreak += bytes.length) >= breakEvery) {
          sinceBreak = 0;
          if (staysCut) state = 'cut';
          destroyAll();
        }
        if (from !== client || lastPiece === null || !bytes.includes(lastPiece.text)) return;
        lastPiece.isSent();
        lastPiece = null;
        upstream.removeAllListeners('data').resume();
        // The server gets time to work; a shorter one only makes the test weaker.
        setTimeout(() => client.destroy(), 100);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const through = new URL(target);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  const destroyAll = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: through.toString(),
    silence: () => void (state = 'silent'),
    cut: () => {
      state = 'cut';
      destroyAll();
    },
    breakEvery: (bytes) => {
      breakEvery = bytes;
      sinceBreak = 0;
      staysCut = false;
    },
    cutAfter: (bytes) => {
      breakEvery = bytes;
      sinceBreak = 0;
      staysCut = true;
    },
    cutAfterNext: (text) => new Promise((resolve) => (lastPiece = { text, isSent: resolve })),
    leadTo: (other) => void (url = new URL(other)),
    restore: () => {
      // What was sent into the silence is lost: anyone who waits for it must start again.
      if (state === 'silent') destroyAll();
      state = 'open';
    },
    close: async () => {
      destroyAll();
      server.close();
      await once(server, 'close');
    },
  };
}
