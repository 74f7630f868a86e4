import './app/heap.js';
import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { stopOnSignal } from './app/process.js';
import { startService } from './app/start.js';
import { loadServiceConfig } from './platform/config/config-loader.js';
import { explainStartFailure } from './platform/errors.js';
import { armFaultPoints } from './platform/instrumentation.js';

try {
  const config = loadServiceConfig();
  if (config.faultPoints !== undefined) armFaultPoints(config.faultPoints);
  const service = await startService(config);
  stopOnSignal(() => service.stop());
  new Logger('Start').log(`Workflow Import Queue (${config.role}) listens on ${service.url}`);
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exit(1);
}
