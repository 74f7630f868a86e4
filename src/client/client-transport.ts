import type { ClientProblem } from './client-types.js';

/** The service answered, and refused the call. `code` is for programs, `message` for people. */
export class RefusedError extends Error {
  readonly status: number;
  readonly code: string;

  /** @param problem the body of the answer */
  constructor(readonly problem: ClientProblem) {
    super(problem.detail);
    this.name = 'RefusedError';
    this.status = problem.status;
    this.code = problem.code;
  }
}

/** No answer arrived, or one that is not ours: the service is down, or something stands between. */
export class UnreachableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'UnreachableError';
  }
}

/** The error of an answer other than 2xx. */
async function errorOfAnswer(response: Response): Promise<RefusedError | UnreachableError> {
  const text = await response.text().catch(() => '');
  const problem = problemOf(text);
  if (problem !== null) return new RefusedError(problem);
  const answer = `${response.status} ${response.statusText}`.trim();
  return new UnreachableError(`${response.url} answered ${answer} without problem details.`);
}

function problemOf(text: string): ClientProblem | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return isProblem(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isProblem(value: unknown): value is ClientProblem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, detail, status } = value as Partial<Record<string, unknown>>;
  return typeof code === 'string' && typeof detail === 'string' && typeof status === 'number';
}

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

/** What `fetch` sends as a body. */
export type SentBody = NonNullable<RequestInit['body']>;

export interface ClientOptions {
  /** The address of the service, with its path if it has one. */
  url: string;
  /** An API key. Without one, a browser sends the cookie of its session. */
  key?: string;
  /** How often a call that can safely be repeated is repeated. Default: 5. */
  retries?: number;
  /** The first pause before a repetition; each further one is twice as long, at most 30 s. Default: 500 ms. */
  retryDelayMs?: number;
  fetch?: typeof fetch;
}

export interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Readonly<Record<string, string>>;
  /** Makes the body of one attempt. */
  body?: () => SentBody | Promise<SentBody>;
  signal?: AbortSignal;
  /**
   * What may be repeated: `always`, because the service does the same call once; `refused`, because only an answer says
   * that nothing was done; `never`.
   */
  repeat: 'always' | 'refused' | 'never';
}

const LONGEST_PAUSE_MS = 30_000;
/** Refusals that say that nothing was done, and that the same call may succeed later. */
const LATER = new Set([408, 429, 502, 503, 504]);
/** 503 that leaves open whether something was done. */
const IN_DOUBT = new Set(['outcome_unknown', 'stored_without_answer']);

/** Sends calls, and repeats those that failed and can be repeated. */
export class ClientTransport {
  private readonly base: string;
  readonly retries: number;

  constructor(private readonly options: ClientOptions) {
    this.base = options.url.replace(/\/+$/, '');
    this.retries = options.retries ?? 5;
  }

  /**
   * Answers what `read` makes of the first answer that succeeded. An answer that breaks off is like none.
   * @throws RefusedError if the service refused the call, UnreachableError if no attempt was answered
   */
  async send<Answer>(call: Call, read: (response: Response) => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.attempt(call, read);
      if ('answer' in outcome) return outcome.answer;
      const { error, pauseMs } = outcome;
      if (attempt > this.retries || !mayRepeat(call, error)) throw error;
      await this.pause(attempt, pauseMs, call.signal);
    }
  }

  /** Waits before the next attempt, `attempt` of which have failed. */
  async pause(attempt: number, atLeastMs = 0, signal?: AbortSignal): Promise<void> {
    const { retryDelayMs = 500 } = this.options;
    const longest = Math.min(retryDelayMs * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
    // Clients that failed together must not come back together.
    await sleep(Math.max(atLeastMs, longest * (0.5 + Math.random() / 2)), signal);
  }

  private async attempt<Answer>(
    call: Call,
    read: (response: Response) => Promise<Answer>,
  ): Promise<{ answer: Answer } | { error: RefusedError | UnreachableError; pauseMs?: number }> {
    try {
      const response = await this.request(call);
      if (response.ok) return { answer: await read(response) };
      const seconds = Number(response.headers.get('Retry-After') ?? 0);
      const pauseMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
      return { error: await errorOfAnswer(response), pauseMs };
    } catch (cause) {
      if (call.signal?.aborted === true) throw cause;
      return { error: new UnreachableError(`${this.base} cannot be reached: ${reasonOf(cause)}.`, cause) };
    }
  }

  private async request(call: Call): Promise<Response> {
    const { fetch: send = fetch, key } = this.options;
    const body = await call.body?.();
    return send(this.urlOf(call), {
      method: call.method,
      headers: { ...(key !== undefined && { Authorization: `Bearer ${key}` }), ...call.headers },
      signal: call.signal,
      // A redirect would send the key to an address that nobody named.
      redirect: 'error',
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: 'half' }),
    });
  }

  private urlOf({ path, query = {} }: Call): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    const text = parameters.toString();
    return `${this.base}${path}${text === '' ? '' : `?${text}`}`;
  }
}

function mayRepeat({ repeat }: Call, error: RefusedError | UnreachableError): boolean {
  if (repeat === 'never') return false;
  if (error instanceof UnreachableError) return repeat === 'always';
  if (IN_DOUBT.has(error.code)) return repeat === 'always';
  // The first attempt may still be running; its answer will be the answer to this one.
  if (error.code === 'idempotency_key_in_use') return repeat === 'always';
  return LATER.has(error.status);
}

/** Fetch hides the reason in the cause of its error, and that of several addresses in a list. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error.cause !== undefined) return reasonOf(error.cause);
  return error.message === '' ? error.name : error.message;
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

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
