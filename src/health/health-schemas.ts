import { choice, objectOf, TEXT, type Schema } from '../common/http/answer-schemas.js';
import type { CheckResult, ReadinessReport } from './readiness.js';

const check = objectOf<CheckResult>({ status: choice('up', 'down'), reason: TEXT }, 'reason');

/** What probes answer. */
export const HEALTH_SCHEMAS: Readonly<Record<string, Schema>> = {
  Live: objectOf<{ status: 'live' }>({ status: choice('live') }),
  Ready: objectOf<{ status: 'ready'; checks: ReadinessReport['checks'] }>({
    status: choice('ready'),
    checks: objectOf<ReadinessReport['checks']>({
      process: check,
      postgres: check,
      migrations: check,
      redis: check,
    }),
  }),
};
