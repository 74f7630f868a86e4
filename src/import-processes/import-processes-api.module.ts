import { Module } from '@nestjs/common';
import { ImportProcessesController } from './import-processes.controller.js';
import { ImportProcessesModule } from './import-processes.module.js';
import { RowDescriptions } from './row-descriptions.js';

/** The routes; apart from the services, so that a process that only works on queues answers none of them. */
@Module({
  imports: [ImportProcessesModule],
  controllers: [ImportProcessesController],
  providers: [RowDescriptions],
  exports: [ImportProcessesModule, RowDescriptions],
})
export class ImportProcessesApiModule {}
