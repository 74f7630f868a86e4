import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type AcceptedBatch,
  batchHasEnded,
  type Body,
  type ClientBatch,
  type ImportQueueClient,
  RefusedError,
  type ResultsOptions,
} from '../client/index.js';
import { type InputFile, keyOfContent, UploadMemory } from './input-file.js';
import { CommandError, EXIT, exitCodeOf, type Session } from './session.js';
import { batchText, number, progressText } from './terminal.js';

interface SendingOptions {
  importProcessId: number;
  creationPath: string;
  successMail?: string;
  failureMail?: string;
  gzip: boolean;
  validate?: boolean;
  idempotencyKey?: string;
  reading: Readonly<Record<string, string>>;
}

/** Sends JSON Lines. */
export async function sendLines(
  { client, terminal, signal }: Session,
  input: InputFile,
  options: SendingOptions,
): Promise<AcceptedBatch> {
  const { idempotencyKey, gzip, importProcessId, creationPath, successMail, failureMail } = options;
  // Standard input can be sent again only from a copy, which is made if the caller asks for a key.
  const streams = input.isStandardInput && idempotencyKey === undefined;
  const content = streams ? null : await input.blob();
  const body: Body = content ?? input.stream();
  const total = content?.size ?? 0;
  const batch = await client.createBatch({
    ...{ fileName: input.name, importProcessId, creationPath, body, gzip, signal },
    sendSuccessEmailTo: successMail,
    sendFailureEmailTo: failureMail,
    idempotencyKey: content === null ? undefined : await keyOf(content, input, options),
    validate: options.validate,
    onRead: (bytes) => terminal.progress(`Sending ${input.name}, ${size(bytes)}`, bytes, total),
  });
  const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id, recordCounts } = batch;
  terminal.note(`Sent ${input.name} as batch ${id}: ${number.format(recordCounts.total)} records.`);
  return batch;
}

/** Uploads a file, or finds the batch of an earlier call with the same key. */
export async function uploadFile(
  { url, client, terminal, signal }: Session,
  input: InputFile,
  options: SendingOptions,
): Promise<ClientBatch> {
  const { importProcessId, creationPath, successMail, failureMail, reading } = options;
  const file = await input.blob();
  const key = await keyOf(file, input, options);
  const memory = key === undefined ? null : new UploadMemory(url, key);
  const earlier = await earlierUpload(client, await memory?.recall());
  if (earlier !== null) {
    terminal.note(`${input.name} was already uploaded as batch ${earlier.WORKFLOW_IMPORT_QUEUE_BATCH_ID}.`);
    return earlier;
  }
  terminal.progress(`Uploading ${input.name}, ${size(file.size)}`, 0, 0);
  const batch = await client.upload({
    ...{ fileName: input.name, importProcessId, creationPath, file, reading, signal },
    sendSuccessEmailTo: successMail,
    sendFailureEmailTo: failureMail,
  });
  await memory?.remember(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  terminal.note(
    `Uploaded ${input.name} as batch ${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}: ${number.format(batch.recordCounts.total)} records.`,
  );
  return batch;
}

/** A batch that was canceled or is gone cannot be continued. */
async function earlierUpload(
  client: ImportQueueClient,
  id: number | null | undefined,
): Promise<ClientBatch | null> {
  if (id === null || id === undefined) return null;
  try {
    const batch = await client.batch(id);
    return batch.status === 'canceled' ? null : batch;
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return null;
    throw error;
  }
}

async function keyOf(content: Blob, input: InputFile, options: SendingOptions): Promise<string | undefined> {
  const { idempotencyKey, importProcessId, creationPath, successMail, failureMail, reading } = options;
  if (idempotencyKey !== 'auto') return idempotencyKey;
  return keyOfContent(content, [
    input.name,
    importProcessId,
    creationPath,
    successMail,
    failureMail,
    reading,
  ]);
}

function size(bytes: number): string {
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** Waits for the end of a batch, shows its progress and answers the exit code. */
export async function waitForEnd(session: Session, id: number, failedRows?: FailedRows): Promise<number> {
  const { client, terminal, signal } = session;
  let paused = false;
  try {
    const batch = await client.wait(id, {
      signal,
      onEvent: (event) => {
        const isPaused = event.batch.status === 'paused';
        if (isPaused && !paused)
          terminal.note(`Batch ${id} is paused; this command waits until someone resumes it.`);
        paused = isPaused;
        if (batchHasEnded(event.batch.status)) return;
        terminal.progress(progressText(event), event.batch.progress.processed, event.batch.progress.total);
      },
    });
    await failedRows?.write(session, batch);
    terminal.result(batchText(batch), batch);
    return exitCodeOfEnd(batch);
  } catch (error) {
    terminal.note(`The import goes on without this command. To see it: import-queue tail ${id}`);
    throw error;
  }
}

/** A dry run with invalid lines ends as the import would end. */
function exitCodeOfEnd({ status, recordCounts }: ClientBatch): number {
  return status === 'validated' && recordCounts.invalid > 0 ? EXIT.completedWithErrors : exitCodeOf(status);
}

const FORMATS: Readonly<Record<string, ResultsOptions['format']>> = {
  '.csv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.xlsx': 'xlsx',
};

/** The file for the rows that failed, in the form in which they can be corrected and sent again. */
export class FailedRows {
  private constructor(
    private readonly path: string,
    private readonly format: ResultsOptions['format'],
  ) {}

  static at(path: string): FailedRows {
    const format = FORMATS[extname(path).toLowerCase()];
    if (format === undefined) {
      throw new CommandError(`A file of failed rows ends in one of ${Object.keys(FORMATS).join(', ')}.`);
    }
    return new FailedRows(path, format);
  }

  async write({ client, terminal, signal }: Session, batch: ClientBatch): Promise<void> {
    const { failed, invalid, unknown } = batch.recordCounts;
    const options = { set: 'failed', format: this.format, shape: 'record', signal } as const;
    await saveStream(await client.results(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID, options), this.path);
    terminal.note(`${this.path} has ${number.format(failed + invalid + unknown)} failed rows.`);
  }
}

/** A file that is complete or does not exist. */
export async function saveStream(stream: ReadableStream<Uint8Array>, path: string): Promise<void> {
  const part = `${path}.part`;
  try {
    await pipeline(
      Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0]),
      createWriteStream(part),
    );
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    const code = (error as NodeJS.ErrnoException).syscall === undefined ? EXIT.unreachable : EXIT.usage;
    throw new CommandError(`${path} was not written: ${(error as Error).message}`, code);
  }
}
