import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedServerError } from './child-server.js';
import { commandLineOf } from './running-process.js';

/** How to run a PostgreSQL program. PostgreSQL refuses to run as root, so root runs it as another user. */
interface PostgresAccount {
  uid?: number;
  gid?: number;
  /** The command line that runs the program under the account. */
  commandLine(
    program: string,
    args: string[],
  ): { command: string; args: string[]; uid?: number; gid?: number };
}

const USER = 'postgres';

/**
 * For root, the system user `postgres`, which is created if missing; for all other users, themselves.
 * @throws EmbeddedServerError when no account can run the program on that directory.
 */
export function postgresAccount(program: string, directory: string): PostgresAccount {
  if (process.getuid?.() !== 0) return { commandLine: (command, args) => ({ command, args }) };
  const ids = userIds() ?? createUser();
  const plain: PostgresAccount = {
    ...ids,
    commandLine: (command, args) => ({ command, args, ...ids }),
  };
  if (canWork(plain, program, directory)) return plain;
  const privileged: PostgresAccount = {
    ...ids,
    commandLine: (command, args) => passingDirectories(ids, command, args),
  };
  if (canWork(privileged, program, directory)) return privileged;
  throw new EmbeddedServerError(
    `PostgreSQL runs as the system user ${USER}, for it refuses to run as root, and that user may not enter ` +
      `${directory} or run ${program}. Use directories that everybody may enter (chmod o+x), ` +
      'run as a user other than root, or set DATABASE_URL to a server of your own.',
  );
}

interface Ids {
  uid: number;
  gid: number;
}

function userIds(): Ids | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => Number.parseInt(output('id', [flag, USER]), 10));
  return Number.isNaN(uid) || Number.isNaN(gid) ? undefined : ({ uid, gid } as Ids);
}

function createUser(): Ids {
  const { status, stderr } = spawnSync(
    'useradd',
    ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', USER],
    { encoding: 'utf8' },
  );
  const ids = userIds();
  if (ids) return ids;
  throw new EmbeddedServerError(
    `PostgreSQL refuses to run as root, and the system user ${USER} could not be made ` +
      `(useradd: ${stderr?.trim() ?? `exit code ${status}`}). Run as a user other than root, or set DATABASE_URL.`,
  );
}

function output(command: string, args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '';
}

/** Whether the account can pass through all directories above both. */
function canWork(account: PostgresAccount, program: string, directory: string): boolean {
  return [account.commandLine(program, ['--version']), account.commandLine('test', ['-x', directory])].every(
    ({ command, args, ...ids }) => spawnSync(command, args, ids).status === 0,
  );
}

/**
 * Runs the program as the user, but lets it pass through directories closed to that user, such as a checkout below
 * /root. It gets only the one capability for that. PostgreSQL checks its own program with access(2), which would ignore
 * the capability without `no_setuid_fixup`.
 */
function passingDirectories({ uid, gid }: Ids, program: string, args: string[]) {
  const only = '-all,+dac_override';
  return {
    command: 'setpriv',
    args: [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
      '--securebits=+no_setuid_fixup',
      `--inh-caps=${only}`,
      `--ambient-caps=${only}`,
      `--bounding-set=${only}`,
      '--',
      program,
      ...args,
    ],
  };
}

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

  /**
   * Creates the cluster if there is none: in a temporary place, then moved, so that an incomplete one is never used.
   */
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
   * PostgreSQL does not start while its pid file names a living process. After a crash, that id may belong to any other
   * process, above all in a container, where ids start from 1 again.
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
      // The built-in provider sorts by code point, which is fast and the same on every system, and still folds case.
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
