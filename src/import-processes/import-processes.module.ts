import { Global, Module } from '@nestjs/common';
import { KnownImportProcesses } from '../auth/principal.js';
import { TargetsModule } from '../targets/targets.module.js';
import { CurrentTargets } from '../workflows/definition/workflow-access.js';
import { ImportProcessesController, MappingsController } from './import-processes.controller.js';
import { CompiledImportProcesses, ImportProcessesService } from './import-processes.service.js';
import { RowDescriptions } from './row-descriptions.js';
import { SavedMappingsService } from './saved-mappings.service.js';
import { TargetSecretsAtRest } from './target-secrets.js';

/** The services that other modules use. */
@Module({
  imports: [TargetsModule],
  providers: [
    CompiledImportProcesses,
    ImportProcessesService,
    RowDescriptions,
    SavedMappingsService,
    TargetSecretsAtRest,
  ],
  exports: [CompiledImportProcesses, ImportProcessesService, RowDescriptions, SavedMappingsService],
})
export class ImportProcessesModule {}

/** The routes. They have their own module because a process that only works on queues serves none of them. */
@Module({
  imports: [ImportProcessesModule],
  controllers: [ImportProcessesController, MappingsController],
  exports: [ImportProcessesModule],
})
export class ImportProcessesApiModule {}

/** Implements what auth and workflows need to know about import processes. Global, because both are layers below. */
@Global()
@Module({
  imports: [ImportProcessesModule],
  providers: [
    { provide: KnownImportProcesses, useExisting: ImportProcessesService },
    { provide: CurrentTargets, useExisting: ImportProcessesService },
  ],
  exports: [CurrentTargets, KnownImportProcesses],
})
export class KnownImportProcessesModule {}
