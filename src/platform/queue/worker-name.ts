import Queue from 'bull';

interface NamesItsConnection {
  setWorkerName: (this: NamesItsConnection) => Promise<void>;
}

/**
 * Bull names its connection when it begins to consume, only for lists of clients, and does not handle the outcome. A
 * process that had to stop in its first seconds therefore died of an unhandled rejection ("Connection is closed")
 * instead of stopping in an orderly way.
 */
export function ignoreWorkerNameErrors(): void {
  const prototype = Queue.prototype as NamesItsConnection;
  const { setWorkerName } = prototype;
  prototype.setWorkerName = function (this: NamesItsConnection) {
    return setWorkerName.call(this).catch(() => undefined);
  };
}
