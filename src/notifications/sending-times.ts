import { BACK_OFF_MS } from './back-off.js';

export interface SendingTimes {
  /** See `BACK_OFF_MS`. */
  backOffMs: readonly number[];
  /**
   * How long a claim holds without a sign of life. The sender renews it, so a slow server may take the ten minutes
   * that RFC 5321 grants it, while the mail of a worker that died is taken over after one.
   */
  claimMs: number;
}

/** Injection token, so that tests need not wait for minutes. */
export const SENDING_TIMES = Symbol('SENDING_TIMES');

export const DEFAULT_SENDING_TIMES: SendingTimes = { backOffMs: BACK_OFF_MS, claimMs: 60_000 };
