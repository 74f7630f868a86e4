import { spawnSync } from 'node:child_process';
import { EmbeddedServerError } from '../embedded-server.error.js';

/** How to run a PostgreSQL program: PostgreSQL refuses to run as root, so root runs it as somebody else. */
export interface PostgresAccount {
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
 * For root, the system user `postgres`, made if it is missing; for everybody else, themselves.
 * @throws EmbeddedServerError when there is no way to run the program on that directory.
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

/** Whether the account gets through all directories above both. */
function canWork(account: PostgresAccount, program: string, directory: string): boolean {
  return [account.commandLine(program, ['--version']), account.commandLine('test', ['-x', directory])].every(
    ({ command, args, ...ids }) => spawnSync(command, args, ids).status === 0,
  );
}

/**
 * As the user, but through directories closed to it, such as a checkout below /root: with the one
 * capability for that and no other. Without `no_setuid_fixup` access(2), which PostgreSQL asks about its
 * own program, would not count the capability.
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
