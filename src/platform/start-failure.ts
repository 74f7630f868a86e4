/** The base of errors that stop a start for a reason its operator can fix; the message says how. */
export class StartError extends Error {
  override name = 'StartError';
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
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
