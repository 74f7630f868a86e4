/** The base of errors that stop a start for a reason its operator can fix; the message says how. */
export class StartError extends Error {
  override name = 'StartError';
}

/** What an error says, for a sentence. Anything can be thrown, so not only errors are read. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node joins the errors of both address families into one without a message.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(errorMessage).join(', ');
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || error.name;
}

/** Where an error comes from, for the log. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? errorMessage(error)) : String(error);
}

/** Why a start failed, in sentences for the person who typed the command; a stack only for unforeseen errors. */
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
