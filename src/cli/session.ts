import { homedir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import {
  type ClientBatchStatus,
  type ImportQueueClient,
  RefusedError,
  UnreachableError,
} from '../client/index.js';
import type { Terminal } from './terminal.js';

/** What every command works with. */
export interface Session {
  url: string;
  client: ImportQueueClient;
  terminal: Terminal;
  signal: AbortSignal;
}

/** Answers the exit code. */
export type Run<Arguments extends unknown[]> = (session: Session, ...given: Arguments) => Promise<number>;

/** Makes an action of commander from a command. */
export type Running = <Arguments extends unknown[]>(
  run: Run<Arguments>,
) => (...given: unknown[]) => Promise<void>;

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Reads an option that may be repeated. */
export function readingChoice(text: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([A-Za-z]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('Write it as name=value, for example encoding=windows-1252.');
  }
  return { ...before, [name]: value };
}

/** Scripts rely on these numbers; docs/cli.md explains them. */
export const EXIT = {
  ok: 0,
  completedWithErrors: 2,
  failed: 3,
  refused: 4,
  unreachable: 5,
  awaitingConfirmation: 6,
  usage: 64,
} as const;

/** An error whose message is all that the user needs. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.usage,
  ) {
    super(message);
  }
}

const OF_STATUS: Readonly<Partial<Record<ClientBatchStatus, number>>> = {
  awaiting_confirmation: EXIT.awaitingConfirmation,
  completed_with_errors: EXIT.completedWithErrors,
  failed: EXIT.failed,
  canceled: EXIT.failed,
};

/** A batch that has not ended yet is no error. */
export function exitCodeOf(status: ClientBatchStatus): number {
  return OF_STATUS[status] ?? EXIT.ok;
}

/** `undefined` for errors that are faults of this program. */
export function exitCodeOfError(error: unknown): number | undefined {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof UnreachableError) return EXIT.unreachable;
  if (error instanceof RefusedError) return error.status >= 500 ? EXIT.unreachable : EXIT.refused;
  return undefined;
}

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
