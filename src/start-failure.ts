import { ConfigurationError } from './config/configuration.error.js';
import { DatabaseUnreachableError } from './database/database-unreachable.error.js';
import { DefinitionsError } from './definitions/definitions.error.js';
import { EmbeddedServerError } from './embedded/embedded-server.error.js';

/** Why a start failed, in sentences for whoever typed the command; a stack only for what nobody foresaw. */
export function explainStartFailure(error: unknown): string {
  if (
    error instanceof ConfigurationError ||
    error instanceof DatabaseUnreachableError ||
    error instanceof DefinitionsError ||
    error instanceof EmbeddedServerError
  ) {
    return error.message;
  }
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${address} is taken by another program: set PORT to a free one.`;
  if (code === 'EACCES' && port !== undefined)
    return `Port ${port} may not be used by this user: set PORT above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `${address} is no address of this machine: check HOST.`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
