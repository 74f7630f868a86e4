import { type ClientBatchStatus, RefusedError, UnreachableError } from '../client/index.js';

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
