import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, openAsBlob } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CommandError, environment } from './session.js';

const JSON_LINES = new Set(['.jsonl', '.ndjson']);
const UPLOADED = new Set(['.csv', '.tsv', '.xlsx', '.ods']);

/** What a command sends: a file, or standard input. */
export class InputFile {
  private copy: string | undefined;

  private constructor(
    readonly name: string,
    private readonly path: string,
    readonly isUploaded: boolean,
    /** `undefined` if it is not known before the end. */
    readonly size: number | undefined,
  ) {}

  /** @param path `-` for standard input, which is JSON Lines */
  static async of(path: string, name?: string): Promise<InputFile> {
    if (path === '-') return new InputFile(name ?? 'stdin.jsonl', path, false, undefined);
    const extension = extname(path).toLowerCase();
    if (!JSON_LINES.has(extension) && !UPLOADED.has(extension)) {
      const known = [...JSON_LINES, ...UPLOADED].join(', ');
      throw new CommandError(
        `The ending of a file tells what it is: one of ${known}, or - for standard input.`,
      );
    }
    const found = await stat(path).catch((error: Error) => {
      throw new CommandError(`${path} cannot be read: ${error.message}`);
    });
    if (!found.isFile()) throw new CommandError(`${path} is not a file.`);
    return new InputFile(name ?? basename(path), path, UPLOADED.has(extension), found.size);
  }

  /** Its bytes, which can be read again and again. Standard input is copied to a temporary file first. */
  async blob(): Promise<Blob> {
    if (this.path !== '-') return openAsBlob(this.path);
    if (this.copy === undefined) {
      const folder = await mkdtemp(join(tmpdir(), 'import-queue-'));
      this.copy = join(folder, 'stdin');
      await pipeline(process.stdin, createWriteStream(this.copy, { mode: 0o600 }));
    }
    return openAsBlob(this.copy);
  }

  /** Its bytes, as they arrive. */
  stream(): ReadableStream<Uint8Array> {
    return Readable.toWeb(
      this.path === '-' ? process.stdin : createReadStream(this.path),
    ) as ReadableStream<Uint8Array>;
  }

  get isStandardInput(): boolean {
    return this.path === '-';
  }

  async close(): Promise<void> {
    if (this.copy !== undefined) await rm(join(this.copy, '..'), { recursive: true });
    this.copy = undefined;
  }
}

/** A key that is the same whenever the same bytes are sent with the same parameters. */
export async function keyOfContent(content: Blob, parameters: readonly unknown[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(parameters));
  for await (const piece of content.stream() as ReadableStream<Uint8Array>) hash.update(piece);
  return `cli-${hash.digest('hex')}`;
}

/** As long as the service remembers an Idempotency-Key at least. */
const REMEMBERED_MS = 24 * 60 * 60 * 1000;

/**
 * Remembers the batch of an upload, because an upload has two calls: the file, and its confirmation. A command that was
 * killed between them goes on with its batch, instead of making another.
 */
export class UploadMemory {
  private readonly file: string;

  constructor(url: string, key: string) {
    const name = createHash('sha256').update(`${url} ${key}`).digest('hex');
    this.file = join(environment.stateFolder, `${name}.json`);
  }

  /** The batch of the upload with this key. */
  async recall(): Promise<number | null> {
    const text = await readFile(this.file, 'utf8').catch(() => null);
    if (text === null) return null;
    const { batchId, at } = JSON.parse(text) as { batchId: number; at: number };
    return Date.now() - at < REMEMBERED_MS ? batchId : null;
  }

  async remember(batchId: number): Promise<void> {
    await mkdir(environment.stateFolder, { recursive: true, mode: 0o700 });
    await forgetOld();
    await writeFile(this.file, JSON.stringify({ batchId, at: Date.now() }), { mode: 0o600, flush: true });
  }
}

async function forgetOld(): Promise<void> {
  for (const name of await readdir(environment.stateFolder)) {
    const file = join(environment.stateFolder, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > REMEMBERED_MS) await rm(file, { force: true });
  }
}
