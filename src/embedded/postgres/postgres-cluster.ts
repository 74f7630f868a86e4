import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedServerError } from '../embedded-server.error.js';
import { commandLineOf } from '../running-process.js';
import type { PostgresAccount } from './postgres-account.js';

const PASSWORD_FILE = 'superuser-password';
export const SUPERUSER = 'postgres';

/** The files of one PostgreSQL server. */
export class PostgresCluster {
  constructor(
    readonly path: string,
    private readonly account: PostgresAccount,
  ) {}

  get password(): string {
    return readFileSync(join(this.path, PASSWORD_FILE), 'utf8').trim();
  }

  /** Makes the cluster if there is none: beside its place, then moved there, so that a half-made one is never used. */
  async ensure(initdb: string): Promise<void> {
    if (existsSync(join(this.path, 'PG_VERSION'))) return;
    const unfinished = `${this.path}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    const cluster = join(unfinished, 'cluster');
    mkdirSync(cluster, { recursive: true, mode: 0o700 });
    const passwordFile = join(unfinished, PASSWORD_FILE);
    writeFileSync(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
    const { uid, gid } = this.account;
    if (uid !== undefined && gid !== undefined) {
      for (const path of [unfinished, cluster, passwordFile]) chownSync(path, uid, gid);
    }
    await this.runInitdb(initdb, cluster, passwordFile);
    renameSync(passwordFile, join(cluster, PASSWORD_FILE));
    this.moveIntoPlace(cluster);
    rmSync(unfinished, { recursive: true });
  }

  private moveIntoPlace(cluster: string): void {
    try {
      renameSync(cluster, this.path);
    } catch (error) {
      throw new EmbeddedServerError(
        `${this.path} is there but is no PostgreSQL database (${(error as Error).message}). ` +
          'Move it away, or set DATA_DIR to another directory.',
        { cause: error },
      );
    }
  }

  /**
   * PostgreSQL will not start while its pid file names a living process. After a crash that id may by now
   * belong to anybody, above all in a container, where ids start from 1 again.
   */
  removeStalePidFile(): void {
    const pid = this.postmasterPid();
    if (pid === undefined) return;
    if (commandLineOf(pid).includes(this.path)) {
      throw new EmbeddedServerError(
        `The database in ${this.path} is in use by a PostgreSQL server that we did not start (process ${pid}). ` +
          'Stop that one first, or set DATA_DIR to another directory.',
      );
    }
    rmSync(this.pidFile, { force: true });
  }

  private get pidFile(): string {
    return join(this.path, 'postmaster.pid');
  }

  private postmasterPid(): number | undefined {
    if (!existsSync(this.pidFile)) return undefined;
    return Number.parseInt(readFileSync(this.pidFile, 'utf8'), 10) || undefined;
  }

  private async runInitdb(initdb: string, cluster: string, passwordFile: string): Promise<void> {
    const { command, args, ...ids } = this.account.commandLine(initdb, [
      `--pgdata=${cluster}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The built-in provider sorts by code point, fast and the same on every system, and still knows case.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ]);
    try {
      await promisify(execFile)(command, args, { ...ids, cwd: '/' });
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message;
      throw new EmbeddedServerError(
        `The embedded PostgreSQL could not make its database in ${this.path}:\n${said}`,
        {
          cause: error,
        },
      );
    }
  }
}
