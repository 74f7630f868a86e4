import Queue from 'bull';

interface NamesItsConnection {
  setWorkerName: (this: NamesItsConnection) => Promise<void>;
}

/**
 * Bull names its connection when it begins to consume, for lists of clients only, and hears nothing of the outcome.
 * A process that is told to stop in its first seconds then died of an unhandled rejection ("Connection is closed")
 * instead of stopping in order.
 */
export function ignoreWorkerNameErrors(): void {
  const prototype = Queue.prototype as NamesItsConnection;
  const { setWorkerName } = prototype;
  prototype.setWorkerName = function (this: NamesItsConnection) {
    return setWorkerName.call(this).catch(() => undefined);
  };
}
