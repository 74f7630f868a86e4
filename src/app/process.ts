import { Logger } from '@nestjs/common';
import { AppLogger } from '../platform/instrumentation.js';

/** The time that container platforms allow between SIGTERM and SIGKILL. */
const BOUND_MS = 30_000;

/**
 * Stops in an orderly way on SIGTERM and SIGINT, and ends the process in any case. Further signals change nothing: npm
 * passes on the Ctrl-C that the terminal has already sent to this process.
 */
export function stopOnSignal(stop: () => Promise<void>): void {
  const logger = new Logger('Stop');
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    logger.log(`${signal}: stopping.`);
    setTimeout(() => {
      logger.error(`Not everything stopped within ${BOUND_MS / 1000} s; ending anyway.`);
      process.exit(1);
    }, BOUND_MS);
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** SIGUSR2 makes the process write debug lines, and the next one ends that: no restart is needed to look closer. */
export function toggleDebugOnSignal(): void {
  process.on('SIGUSR2', () => {
    const debugs = AppLogger.toggleDebug();
    new Logger('Log').log(
      debugs ? 'SIGUSR2: debug lines are written from now on' : 'SIGUSR2: no more debug lines',
    );
  });
}
