import {
  type Body,
  type Call,
  type ClientOptions,
  ClientTransport,
  isRepeatable,
  linesOf,
  openBody,
  RefusedError,
  type SentBody,
  serverSentEvents,
  UnreachableError,
} from './client-transport.js';
import {
  type AcceptedBatch,
  batchHasEnded,
  type ClientApiKey,
  type ClientBatch,
  type ClientEvent,
  type ClientImportProcess,
  type ClientPreviewItem,
  type ClientRecord,
  type ClientResult,
} from './client-types.js';

const ROOT = '/API/WorkflowImportQueue';
/** The service sends a comment every 15 s. A stream that is silent for longer is dead, though no one has said so. */
const SILENCE_MS = 45_000;

interface SendOptions {
  fileName: string;
  importProcessId: number | string;
  creationPath?: string;
  sendSuccessEmailTo?: string;
  sendFailureEmailTo?: string;
  signal?: AbortSignal;
}

export interface CreateBatchOptions extends SendOptions {
  /** JSON Lines, or rows. */
  body: Body;
  /** Compresses the body on its way. */
  gzip?: boolean;
  /** Default: a new one, if the body can be read again. */
  idempotencyKey?: string;
  /** A dry run: the batch ends `validated`, with a summary and a preview, and nothing is processed. */
  validate?: boolean;
  /** Called with the bytes of the body that have been read so far, from 0 again in each attempt. */
  onRead?: (bytes: number) => void;
}

export interface UploadOptions extends SendOptions {
  file: Blob;
  /** Choices of the reading, such as `encoding` and `delimiter`. */
  reading?: Readonly<Record<string, string>>;
}

export interface ResultsOptions {
  set?: 'all' | 'succeeded' | 'failed' | 'unprocessed';
  format?: 'jsonl' | 'csv' | 'xlsx';
  shape?: 'wrapped' | 'record';
  signal?: AbortSignal;
}

type Filter = Readonly<Record<string, string | number | undefined>>;
type BatchActionName =
  'Cancel' | 'Pause' | 'Resume' | 'Confirm' | 'Abandon' | 'RetryFailed' | 'Delete' | 'Undo';

/**
 * The HTTP API of the import queue, for Node and browsers. Calls that failed are repeated where that is safe. Errors are
 * `RefusedError` and `UnreachableError`.
 */
export class ImportQueueClient {
  private readonly transport: ClientTransport;

  constructor(options: ClientOptions) {
    this.transport = new ClientTransport(options);
  }

  /** Starts a batch; the body is streamed. Answers once every line is durable. */
  async createBatch(options: CreateBatchOptions): Promise<AcceptedBatch> {
    const { body, gzip = false, idempotencyKey, onRead, ...rest } = options;
    const repeatable = isRepeatable(body);
    const key = idempotencyKey ?? (repeatable ? crypto.randomUUID() : undefined);
    return this.json<AcceptedBatch>({
      ...sendCall('CreateBatch', rest),
      headers: {
        'Content-Type': 'application/x-ndjson',
        ...(gzip && { 'Content-Encoding': 'gzip' }),
        ...(key !== undefined && { 'Idempotency-Key': key }),
      },
      body: async () => streamed(await openBody(body, { gzip, onRead })),
      repeat: repeatable ? 'always' : 'never',
    });
  }

  /** Uploads a file (CSV, JSON Lines or a workbook), which then awaits confirmation. */
  upload({ file, reading, ...rest }: UploadOptions): Promise<ClientBatch> {
    const call = sendCall('Uploads', rest);
    return this.json<ClientBatch>({
      ...call,
      query: { ...call.query, ...reading },
      body: () => {
        const form = new FormData();
        form.set('file', file, rest.fileName);
        return form;
      },
      repeat: 'refused',
    });
  }

  batch(id: number, signal?: AbortSignal): Promise<ClientBatch> {
    return this.json(get(batchPath(id), {}, signal));
  }

  /** Batches, newest first. */
  batches(filter: Filter = {}): AsyncGenerator<ClientBatch, void, undefined> {
    return this.pages<ClientBatch>(`${ROOT}/Batches`, filter);
  }

  /** The records of a batch, by line. */
  records(id: number, filter: Filter = {}): AsyncGenerator<ClientRecord, void, undefined> {
    return this.pages<ClientRecord>(`${batchPath(id)}/Records`, filter);
  }

  /** What the records of an upload would become, by line. */
  preview(id: number, filter: Filter = {}): AsyncGenerator<ClientPreviewItem, void, undefined> {
    return this.pages<ClientPreviewItem>(`${batchPath(id)}/Preview`, filter);
  }

  /** The results of a batch as a file. */
  results(id: number, { signal, ...query }: ResultsOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.transport.send(get(`${batchPath(id)}/Results`, query, signal), bodyOf);
  }

  /** The results of a batch, in the order of its lines. */
  async *resultRecords(
    id: number,
    options: Pick<ResultsOptions, 'set' | 'signal'> = {},
  ): AsyncGenerator<ClientResult, void, undefined> {
    const stream = await this.results(id, { ...options, format: 'jsonl', shape: 'wrapped' });
    for await (const line of linesOf(stream)) yield JSON.parse(line) as ClientResult;
  }

  /**
   * The changes of a batch until it ends, beginning with its present state. A stream that breaks is opened again.
   * @throws UnreachableError if it cannot be opened again
   */
  async *events(id: number, signal?: AbortSignal): AsyncGenerator<ClientEvent, void, undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const event of this.eventStream(id, signal)) {
          attempt = 0;
          yield event;
          if (event.type === 'status' && batchHasEnded(event.batch.status)) return;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof RefusedError && error.code !== 'too_many_event_streams') throw error;
        if (error instanceof RefusedError) {
          const batch = await this.batch(id, signal);
          yield { type: 'status', batch };
          if (batchHasEnded(batch.status)) return;
        }
        if (error instanceof UnreachableError && attempt > this.transport.retries) throw error;
      }
      // A service that stops ends its streams in order.
      await this.transport.pause(Math.max(attempt, 1), 0, signal);
    }
  }

  /** Waits until the batch has ended or awaits confirmation, and answers it. */
  async wait(
    id: number,
    { onEvent, signal }: { onEvent?: (event: ClientEvent) => void; signal?: AbortSignal } = {},
  ): Promise<ClientBatch> {
    for await (const event of this.events(id, signal)) {
      onEvent?.(event);
      const { status } = event.batch;
      if (event.type === 'status' && (batchHasEnded(status) || status === 'awaiting_confirmation'))
        return event.batch;
    }
    return this.batch(id, signal);
  }

  /** Does something with a batch, and answers the batch, or the new batch that the action made. */
  async act(id: number, action: BatchActionName, signal?: AbortSignal): Promise<ClientBatch> {
    const call = { method: 'POST', path: `${batchPath(id)}/${action}`, signal } as const;
    try {
      return await this.json<ClientBatch>({ ...call, repeat: 'refused' });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
    }
    // The first attempt may have taken effect without an answer. Then the second one is refused, and the batch tells.
    try {
      return await this.json<ClientBatch>({ ...call, repeat: 'always' });
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'state_conflict') return this.batch(id, signal);
      throw error;
    }
  }

  async importProcesses(): Promise<ClientImportProcess[]> {
    const { items } = await this.json<{ items: ClientImportProcess[] }>(get(`${ROOT}/ImportProcesses`));
    return items;
  }

  async apiKeys(): Promise<ClientApiKey[]> {
    return (await this.json<{ items: ClientApiKey[] }>(get('/API/ApiKeys'))).items;
  }

  /** Creates a key. Its secret is in this answer only. */
  createApiKey(key: {
    name: string;
    permissions: readonly string[];
    importProcessIds?: readonly number[];
    expiresAt?: string;
  }): Promise<ClientApiKey & { key: string }> {
    return this.json({
      method: 'POST',
      path: '/API/ApiKeys',
      headers: { 'Content-Type': 'application/json' },
      body: () => JSON.stringify(key),
      repeat: 'refused',
    });
  }

  async revokeApiKey(id: number): Promise<void> {
    const path = `/API/ApiKeys/${id}`;
    await this.transport.send({ method: 'DELETE', path, repeat: 'refused' }, () => Promise.resolve());
  }

  private async *eventStream(id: number, signal?: AbortSignal): AsyncGenerator<ClientEvent, void, undefined> {
    const silence = new AbortController();
    const stop = () => silence.abort();
    signal?.addEventListener('abort', stop, { once: true });
    let timer = setTimeout(() => undefined, 0);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error('the event stream is silent')), SILENCE_MS);
    };
    try {
      heard();
      const call = get(`${batchPath(id)}/Events`, {}, silence.signal);
      const stream = await this.transport.send({ ...call, headers: { Accept: 'text/event-stream' } }, bodyOf);
      for await (const { type, data } of serverSentEvents(each(linesOf(stream), heard))) {
        if (type === 'progress' || type === 'status') yield eventOf(type, data);
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }

  private async *pages<Item>(path: string, filter: Filter): AsyncGenerator<Item, void, undefined> {
    let after = filter.after;
    do {
      const page = await this.json<{ items: Item[]; nextCursor: string | null }>(
        get(path, { ...filter, after }),
      );
      yield* page.items;
      after = page.nextCursor ?? undefined;
    } while (after !== undefined);
  }

  private json<Answer>(call: Call): Promise<Answer> {
    return this.transport.send(call, (response) => response.json() as Promise<Answer>);
  }
}

function batchPath(id: number): string {
  return `${ROOT}/Batches/${id}`;
}

function get(path: string, query: Call['query'] = {}, signal?: AbortSignal): Call {
  return { method: 'GET', path, query, signal, repeat: 'always' };
}

function sendCall(route: 'CreateBatch' | 'Uploads', { signal, ...query }: SendOptions) {
  return { method: 'POST', path: `${ROOT}/${route}`, query, signal } as const;
}

/** Browsers cannot stream a request over HTTP/1.1; they keep a large Blob on disk. */
function streamed(stream: ReadableStream<Uint8Array>): SentBody | Promise<SentBody> {
  const inNode = 'process' in globalThis;
  return inNode ? stream : new Response(stream).blob();
}

function bodyOf(response: Response): Promise<ReadableStream<Uint8Array>> {
  return Promise.resolve(response.body ?? new Blob([]).stream());
}

function eventOf(type: ClientEvent['type'], data: string): ClientEvent {
  return { type, batch: JSON.parse(data) as ClientBatch };
}

async function* each<Item>(
  items: AsyncIterable<Item>,
  onItem: () => void,
): AsyncGenerator<Item, void, undefined> {
  for await (const item of items) {
    onItem();
    yield item;
  }
}
