/** What a body may be made of: text, bytes, a stream of them, or rows, which become one line each. */
type BodySource =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<string | Uint8Array | object>
  | Iterable<object>;

/**
 * A source that can be read again, or a function that makes a new source for each attempt. Without either, a call whose
 * connection breaks in the middle of the body cannot be repeated.
 */
export type Body = BodySource | (() => BodySource | Promise<BodySource>);

export function isRepeatable(body: Body): boolean {
  return (
    typeof body === 'function' ||
    typeof body === 'string' ||
    body instanceof Uint8Array ||
    body instanceof Blob ||
    Array.isArray(body)
  );
}

interface BodyOptions {
  gzip: boolean;
  /** Called with the number of bytes of the source that have been read so far. */
  onRead?: (bytes: number) => void;
}

/** A new stream over the body, for one attempt. */
export async function openBody(
  body: Body,
  { gzip, onRead }: BodyOptions,
): Promise<ReadableStream<Uint8Array>> {
  let stream = streamOf(typeof body === 'function' ? await body() : body);
  if (onRead !== undefined) stream = stream.pipeThrough(counting(onRead));
  return gzip ? stream.pipeThrough(new CompressionStream('gzip')) : stream;
}

type Transform = ReadableWritablePair<Uint8Array, Uint8Array>;

function streamOf(source: BodySource): ReadableStream<Uint8Array> {
  if (source instanceof ReadableStream) return source;
  if (source instanceof Blob) return source.stream();
  if (typeof source === 'string' || source instanceof Uint8Array) return new Blob([source]).stream();
  const iterator = piecesOf(source);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return(undefined);
    },
  });
}

async function* piecesOf(
  source: AsyncIterable<string | Uint8Array | object> | Iterable<object>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  for await (const piece of source) {
    if (piece instanceof Uint8Array) yield piece;
    else yield encoder.encode(typeof piece === 'string' ? piece : `${JSON.stringify(piece)}\n`);
  }
}

function counting(onRead: (bytes: number) => void): Transform {
  let bytes = 0;
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      bytes += piece.byteLength;
      onRead(bytes);
      controller.enqueue(piece);
    },
  });
}
