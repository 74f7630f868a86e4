import { ConsoleLogger } from '@nestjs/common';
import { LOG_LEVELS, type LogLevel } from '../config/config.js';
import { currentRequestId } from './request-context.js';

/** What Nest says of its own wiring at every start: hundreds of lines nobody reads. */
const WIRING: ReadonlySet<unknown> = new Set(['InstanceLoader', 'RouterExplorer', 'RoutesResolver']);

const SECRETS = ['authorization', 'cookie', 'key', 'password', 'payload', 'secret'];
/** Where errors of PostgreSQL and TypeORM quote the values they failed on. */
const QUOTING = ['detail', 'where', 'parameters'];

/**
 * Nest's logger, with the request's id in every line: JSON where a program reads it, text on a terminal. What it is
 * given must hold no payload and no key; the names below are a second net.
 */
export class AppLogger extends ConsoleLogger {
  constructor(level: LogLevel, terminal: boolean = process.stdout.isTTY) {
    super({
      json: !terminal,
      colors: terminal,
      logLevels: ['fatal', ...LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1)],
      flattenParams: true,
      redact: [...SECRETS, ...QUOTING],
    });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (WIRING.has(rest.at(-1))) super.verbose(message, ...rest);
    else super.log(message, ...rest);
  }

  protected override getJsonLogObject(
    ...parameters: Parameters<ConsoleLogger['getJsonLogObject']>
  ): ReturnType<ConsoleLogger['getJsonLogObject']> {
    const requestId = currentRequestId();
    return { ...super.getJsonLogObject(...parameters), ...(requestId !== undefined && { requestId }) };
  }

  protected override formatContext(context: string): string {
    const requestId = currentRequestId();
    return super.formatContext(requestId === undefined ? context : `${context} ${requestId}`.trim());
  }
}
