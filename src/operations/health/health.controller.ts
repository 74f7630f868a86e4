import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { PublicRoute } from '../../auth/access.js';
import { DomainError } from '../../platform/domain-error.js';
import { choice, objectOf, refTo, type Schema, TEXT } from '../../platform/http/answer-schemas.js';
import { type CheckResult, Readiness, type ReadinessReport } from './readiness.js';

const check = objectOf<CheckResult>({ status: choice('up', 'degraded', 'down'), reason: TEXT }, 'reason');

/** The answers of the probes. */
export const HEALTH_SCHEMAS: Readonly<Record<string, Schema>> = {
  Live: objectOf<{ status: 'live' }>({ status: choice('live') }),
  Ready: objectOf<{ status: 'ready'; checks: ReadinessReport['checks'] }>({
    status: choice('ready'),
    checks: objectOf<ReadinessReport['checks']>({
      process: check,
      postgres: check,
      migrations: check,
      redis: check,
      queues: check,
    }),
  }),
};

@ApiTags('Health')
@Controller('health')
@PublicRoute()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  /** Checks nothing else: a restart of this process fixes neither PostgreSQL nor Redis. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Is the process alive?' })
  @ApiOkResponse({ description: 'It is.', schema: refTo('Live') })
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Can this process serve calls? Without Redis the API is degraded and serves on' })
  @ApiOkResponse({ description: 'It can.', schema: refTo('Ready') })
  @ApiServiceUnavailableResponse({ description: 'not_ready: `checks` states what is down, and why' })
  async ready(): Promise<{ status: 'ready'; checks: ReadinessReport['checks'] }> {
    const { ready, checks } = await this.readiness.report();
    if (!ready) throw notReady(checks);
    return { status: 'ready', checks };
  }
}

function notReady(checks: ReadinessReport['checks']): DomainError {
  const down = Object.entries(checks).filter(([, { status }]) => status === 'down');
  return new DomainError(
    503,
    'not_ready',
    'Not ready for calls',
    down.map(([name, { reason }]) => `${name}: ${reason}`).join('; '),
    { extensions: { checks }, headers: { 'Retry-After': '5' } },
  );
}
