#!/usr/bin/env node
import { CommanderError } from 'commander';
import { RefusedError } from '../client/index.js';
import { program } from './commands.js';
import { EXIT, exitCodeOfError } from './session.js';

/** How many mistakes of one call are listed. */
const MOST_MISTAKES = 10;

const stopped = new AbortController();
/** As shells report a program that a signal ended. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
/** How long a call may take to break off. */
const STOPS_WITHIN_MS = 2_000;
for (const [name, code] of Object.entries(SIGNALS)) {
  process.once(name, () => {
    stopped.abort();
    process.exitCode = code;
    setTimeout(() => process.exit(code), STOPS_WITHIN_MS).unref();
  });
}
// A reader such as `head` that has seen enough is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  await program(stopped.signal).parseAsync();
} catch (error) {
  if (!stopped.signal.aborted) process.exitCode = report(error);
}

/** Tells people, or with --json programs, what is wrong, and answers the exit code. */
function report(error: unknown): number {
  // Commander has written its message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const exitCode = exitCodeOfError(error);
  if (exitCode === undefined) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
  const problem = error instanceof RefusedError ? error.problem : { detail: (error as Error).message };
  process.stderr.write(
    process.argv.includes('--json') ? `${JSON.stringify(problem)}\n` : describe(error as Error),
  );
  return exitCode;
}

function describe(error: Error): string {
  if (!(error instanceof RefusedError)) return `${error.message}\n`;
  const { errors = [], errorCount = errors.length } = error.problem;
  const mistakes = errors.slice(0, MOST_MISTAKES).map(({ line, column, parameter, pointer, message }) => {
    const place =
      line === undefined ? (parameter ?? pointer) : `line ${line}${column === undefined ? '' : `:${column}`}`;
    return `  ${place === undefined ? '' : `${place}: `}${message}\n`;
  });
  const more = errorCount - mistakes.length;
  return `${error.message} [${error.code}]\n${mistakes.join('')}${more > 0 ? `  and ${more} more\n` : ''}`;
}
