import { Module } from '@nestjs/common';
import { TargetsModule } from '../targets/targets.module.js';
import { CompiledImportProcesses } from './compiled-import-processes.js';
import { ImportProcessesService } from './import-processes.service.js';

/** What other modules use of import processes; the routes are in `import-processes-api.module.ts`. */
@Module({
  imports: [TargetsModule],
  providers: [CompiledImportProcesses, ImportProcessesService],
  exports: [CompiledImportProcesses, ImportProcessesService],
})
export class ImportProcessesModule {}
