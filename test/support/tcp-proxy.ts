import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  /** The URL given, through the proxy. */
  url: string;
  /** Connections stay open and carry nothing any more, as when a cable is pulled. */
  silence(): void;
  /** Breaks every connection and refuses new ones until `mend`. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

/** Stands between the application and a real server, to take it away and bring it back. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const url = new URL(target);
  const sockets = new Set<Socket>();
  let state: 'open' | 'silent' | 'cut' = 'open';

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
      from.on('data', (bytes) => {
        if (state === 'open') to.write(bytes);
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
    restore: () => {
      // What was said into the silence is lost: who waits for it must start over.
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
