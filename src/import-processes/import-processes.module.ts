import { Global, Module } from '@nestjs/common';
import { KnownImportProcesses } from '../auth/api-keys.service.js';
import { TargetsModule } from '../targets/targets.module.js';
import { CompiledImportProcesses } from './compiled-import-processes.js';
import { ImportProcessesController } from './import-processes.controller.js';
import { ImportProcessesService } from './import-processes.service.js';
import { RowDescriptions } from './row-descriptions.js';

/** What other modules use of import processes; the routes are in `import-processes-api.module.ts`. */
@Module({
  imports: [TargetsModule],
  providers: [CompiledImportProcesses, ImportProcessesService],
  exports: [CompiledImportProcesses, ImportProcessesService],
})
export class ImportProcessesModule {}

/** The routes; apart from the services, so that a process that only works on queues answers none of them. */
@Module({
  imports: [ImportProcessesModule],
  controllers: [ImportProcessesController],
  providers: [RowDescriptions],
  exports: [ImportProcessesModule, RowDescriptions],
})
export class ImportProcessesApiModule {}

/** Answers what auth asks about import processes. Global, because auth is a layer below and cannot import it. */
@Global()
@Module({
  imports: [ImportProcessesModule],
  providers: [{ provide: KnownImportProcesses, useExisting: ImportProcessesService }],
  exports: [KnownImportProcesses],
})
export class KnownImportProcessesModule {}
