import { errorMessage } from '../platform/errors.js';
import { DeliveryFault } from './message.js';

/**
 * Runs work that must end: when its time is over, or `stop` aborts, the signal it was given aborts and the promise
 * rejects, whatever the work does with the signal. So no event that a receiver withholds can keep a slot.
 *
 * The timer is our own because `AbortSignal.any([signal, AbortSignal.timeout(ms)])` may never fire after a garbage
 * collection (nodejs/node#57736). Node keeps a running timer, and the timer keeps the controller.
 */
export function endsWithin<Result>(
  limitMs: number,
  stop: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const release = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
    };
    const abort = (fault: DeliveryFault) => {
      release();
      controller.abort(fault);
      reject(fault);
    };
    const onStop = () => abort(new DeliveryFault(errorMessage(stop.reason), false));
    const timer = setTimeout(
      () => abort(new DeliveryFault(`the receiver did not answer within ${limitMs / 1000} s`, false)),
      limitMs,
    );
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    else work(controller.signal).finally(release).then(resolve, reject);
  });
}
