import { Module } from '@nestjs/common';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { DefinitionsFolder } from './definitions-folder.js';

/** Configuration that is kept in files. */
@Module({
  imports: [ImportProcessesModule, WorkflowsModule],
  providers: [DefinitionsFolder],
})
export class DefinitionsModule {}
