import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { EmbeddedServerError } from './child-server.js';
import { recordedProcess, runningProcess } from './running-process.js';

/**
 * The directory of the embedded servers, which one of our processes at a time claims. The claim identifies its owner by
 * process id and start time. A claim that a `kill -9` left behind is therefore recognized and replaced, even where ids
 * repeat, as in a container that starts again.
 */
export class DataDirectory {
  private constructor(readonly path: string) {}

  /** @throws EmbeddedServerError when the directory is not writable or another process holds it. */
  static claim(path: string): DataDirectory {
    const directory = new DataDirectory(ensureWritableDirectory(path));
    while (!directory.writeClaim()) directory.removeStaleClaim();
    return directory;
  }

  at(name: string): string {
    return join(this.path, name);
  }

  release(): void {
    rmSync(this.claimFile, { force: true });
  }

  private get claimFile(): string {
    return this.at('owner.json');
  }

  private writeClaim(): boolean {
    try {
      writeFileSync(this.claimFile, JSON.stringify(runningProcess(process.pid)), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  private removeStaleClaim(): void {
    const owner = recordedProcess(this.claimFile);
    if (owner) {
      throw new EmbeddedServerError(
        `The data directory ${this.path} is in use by another Workflow Import Queue (process ${owner.pid}). ` +
          'Stop that one first, or set DATA_DIR to another directory for this one.',
      );
    }
    const aside = `${this.claimFile}.${process.pid}`;
    try {
      renameSync(this.claimFile, aside);
      // Two processes that start at once may both have found it stale: the slower must not take the faster one's claim.
      const taken = recordedProcess(aside);
      if (taken) writeFileSync(this.claimFile, readFileSync(aside), { flag: 'wx', mode: 0o600 });
      rmSync(aside);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
    }
  }
}

/**
 * Creates the directory if it is missing. Returns its absolute path.
 * @throws EmbeddedServerError when the directory is not writable.
 */
export function ensureWritableDirectory(path: string): string {
  const directory = resolve(path);
  try {
    mkdirSync(directory, { recursive: true });
    // As root, PostgreSQL runs as another user, who must reach its own folder.
    chmodSync(directory, process.getuid?.() === 0 ? 0o711 : 0o700);
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new EmbeddedServerError(
      `The data directory ${directory} is not writable for the user ${userInfo().username} ` +
        `(${(error as Error).message}). Make it writable, set DATA_DIR to another directory, ` +
        'or set DATABASE_URL and REDIS_URL to servers of your own.',
      { cause: error },
    );
  }
  return directory;
}
