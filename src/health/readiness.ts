import { Injectable } from '@nestjs/common';
import { within } from '../common/within.js';
import { PostgresCheck } from './postgres-check.js';
import { RedisCheck } from './redis-check.js';
import { ShutdownState } from './shutdown-state.js';

const BOUND_MS = 3000;

export interface CheckResult {
  status: 'up' | 'down';
  /** Why it is down. */
  reason?: string;
}

export interface ReadinessReport {
  ready: boolean;
  checks: Record<'process' | 'postgres' | 'migrations' | 'redis', CheckResult>;
}

/**
 * May calls be sent to this process? Redis counts although CreateBatch would work without it: batches taken then
 * wait until it is back, and whoever operates this shall hear of that from the probe, not from the users.
 */
@Injectable()
export class Readiness {
  constructor(
    private readonly shutdown: ShutdownState,
    private readonly postgres: PostgresCheck,
    private readonly redis: RedisCheck,
  ) {}

  /** All checks at once, each within a bound: a server that hangs must not make the probe hang. */
  async report(): Promise<ReadinessReport> {
    const [postgres, migrations, redis] = await Promise.all([
      resultOf(this.postgres.writable()),
      resultOf(this.postgres.migrated()),
      resultOf(this.redis.writable()),
    ]);
    const process: CheckResult = this.shutdown.stopping
      ? { status: 'down', reason: 'is stopping' }
      : { status: 'up' };
    const checks = { process, postgres, migrations, redis };
    return { ready: Object.values(checks).every(({ status }) => status === 'up'), checks };
  }
}

async function resultOf(check: Promise<void>): Promise<CheckResult> {
  try {
    await within(BOUND_MS, check);
    return { status: 'up' };
  } catch (error) {
    return { status: 'down', reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, message } = error as NodeJS.ErrnoException;
  return message === '' ? (code ?? error.name) : message;
}
