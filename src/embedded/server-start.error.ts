import { EmbeddedServerError } from './embedded-server.error.js';

/** A server that did not start, with everything it said on its way down. */
export class ServerStartError extends EmbeddedServerError {
  constructor(
    server: string,
    what: string,
    reasons: string,
    logFile: string,
    readonly said: string,
  ) {
    super(
      `The embedded ${server} did not start: ${what}.` +
        (reasons === '' ? '' : `\n${reasons}\n(more in ${logFile})`),
    );
  }
}
