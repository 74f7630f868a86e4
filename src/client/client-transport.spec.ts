import { linesOf, serverSentEvents, type ServerSentEvent } from './client-transport.js';

function streamOf(bytes: Uint8Array, pieceLength: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, (at += pieceLength)));
    },
  });
}

const collect = async <Item>(items: AsyncIterable<Item>) => {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe('linesOf', () => {
  it.each([1, 2, 3, 7, 100])('reads the same lines in pieces of %d bytes', async (length) => {
    const bytes = new TextEncoder().encode('{"a":"ä€😀"}\r\n\n{"b":1}\nlast');
    expect(await collect(linesOf(streamOf(bytes, length)))).toEqual(['{"a":"ä€😀"}', '', '{"b":1}', 'last']);
  });

  it('ends the stream if the caller stops early', async () => {
    let canceled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('line\n')),
      cancel: () => {
        canceled = true;
      },
    });
    for await (const line of linesOf(endless)) if (line === 'line') break;
    expect(canceled).toBe(true);
  });
});

describe('serverSentEvents', () => {
  const eventsOf = (text: string): Promise<ServerSentEvent[]> =>
    collect(serverSentEvents(linesOf(streamOf(new TextEncoder().encode(text), 5))));

  it('reads type, id and data of each event, and leaves comments out', async () => {
    expect(
      await eventsOf(
        ': still here\n\nevent: progress\ndata: {"a":1}\n\nid: end\nevent: status\ndata: x\ndata: y\n\n',
      ),
    ).toEqual([
      { type: 'progress', data: '{"a":1}', id: undefined },
      { type: 'status', data: 'x\ny', id: 'end' },
    ]);
  });

  it('leaves out an event that broke off', async () => {
    expect(await eventsOf('event: progress\ndata: {"a"')).toEqual([]);
  });
});
