/** The lines of a UTF-8 stream, without their ends. A last line without an end counts. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
      if (done) break;
    }
    if (rest !== '') yield rest;
  } finally {
    // Ends the connection if the caller stops early.
    await reader.cancel().catch(() => undefined);
  }
}

export interface ServerSentEvent {
  type: string;
  data: string;
  id: string | undefined;
}

/** The events of a `text/event-stream`. Comments and incomplete events are left out. */
export async function* serverSentEvents(
  lines: AsyncIterable<string>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let event: ServerSentEvent = { type: 'message', data: '', id: undefined };
  for await (const line of lines) {
    if (line === '') {
      if (event.data !== '') yield event;
      event = { type: 'message', data: '', id: undefined };
      continue;
    }
    const [, name, value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'event') event.type = value;
    if (name === 'data') event.data += event.data === '' ? value : `\n${value}`;
    if (name === 'id') event.id = value;
  }
}
