import { homedir } from 'node:os';
import { join } from 'node:path';

/** What the command line takes from its environment. Empty variables count as not set. */
export const environment = {
  url: variable('IMPORT_QUEUE_URL'),
  key: variable('IMPORT_QUEUE_KEY'),
  profileFile: join(
    variable('XDG_CONFIG_HOME') ?? join(homedir(), '.config'),
    'import-queue',
    'profile.json',
  ),
  /** For files that the program writes for itself. */
  stateFolder: join(variable('XDG_STATE_HOME') ?? join(homedir(), '.local', 'state'), 'import-queue'),
  /** A bar needs a terminal with a width. The log of a build is not one, even if it looks like one. */
  hasBars:
    process.stderr.isTTY &&
    process.stderr.columns > 0 &&
    variable('TERM') !== 'dumb' &&
    variable('CI') === undefined,
};

function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
