import './app/heap.js';
import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { stopOnSignal, toggleDebugOnSignal } from './app/process.js';
import { startService } from './app/start.js';
import { startTracing } from './app/tracing.js';
import { loadServiceConfig, processEnvironment } from './platform/config/config-loader.js';
import { explainStartFailure } from './platform/errors.js';
import { armFaultPoints } from './platform/instrumentation.js';

try {
  const stopTracing = await startTracing(processEnvironment());
  const config = loadServiceConfig();
  if (config.faultPoints !== undefined) armFaultPoints(config.faultPoints);
  const service = await startService(config);
  stopOnSignal(async () => {
    await service.stop();
    await stopTracing();
  });
  toggleDebugOnSignal();
  new Logger('Start').log(`Workflow Import Queue (${config.role}) listens on ${service.url}`);
} catch (error) {
  process.stderr.write(`${explainStartFailure(error)}\n`);
  process.exit(1);
}
