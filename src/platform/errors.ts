/** The base of errors that stop a start for a reason that the operator can fix; the message explains how. */
export class StartError extends Error {
  override name = 'StartError';
}

/** The message of an error, for use in a sentence. Code can throw any value, so this accepts any value. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node joins the errors of both address families into one without a message.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(errorMessage).join(', ');
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || error.name;
}

/** The stack of an error, for the log. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? errorMessage(error)) : String(error);
}

/**
 * Why a start failed, in sentences for the person who typed the command; the stack is added only for unforeseen errors.
 */
export function explainStartFailure(error: unknown): string {
  if (error instanceof StartError) return error.message;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${address} is taken by another program: set PORT to a free one.`;
  if (code === 'EACCES' && port !== undefined)
    return `Port ${port} may not be used by this user: set PORT above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `${address} is not an address of this machine: check HOST.`;
  return errorStack(error);
}
