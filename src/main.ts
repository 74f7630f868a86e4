import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { collectGarbageAlone } from './common/collect-garbage-alone.js';
import { armFaultPoints } from './common/fault-point.js';
import { loadConfig } from './config/load-config.js';
import { startService } from './start.js';
import { explainStartFailure } from './start-failure.js';
import { stopOnSignal } from './stop-on-signal.js';

try {
  collectGarbageAlone();
  const config = loadConfig();
  if (config.faultPoints !== undefined) armFaultPoints(config.faultPoints);
  const service = await startService(config);
  stopOnSignal(() => service.stop());
  new Logger('Start').log(`Workflow Import Queue (${config.role}) listens on ${service.url}`);
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exit(1);
}
