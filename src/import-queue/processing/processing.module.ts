import { Module } from '@nestjs/common';
import { DatabaseService } from '../../database/database.service.js';
import { CompiledImportProcesses } from '../../import-processes/compiled-import-processes.js';
import { ImportProcessesModule } from '../../import-processes/import-processes.module.js';
import { NotificationsModule } from '../../notifications/notifications.module.js';
import { QueueModule } from '../../queue/queue.module.js';
import { TargetRegistry } from '../../targets/target-registry.js';
import { TargetsModule } from '../../targets/targets.module.js';
import { BatchFinisher } from './batch-finisher.js';
import { ChunkRunner } from './chunk-runner.js';
import { ChunkScheduler } from './chunk-scheduler.js';
import { ImportConsumer } from './import.consumer.js';
import { Reconciler } from './reconciler.js';
import { SchedulingModule } from './scheduling.module.js';

/** What a worker process does besides answering health checks. */
@Module({
  imports: [ImportProcessesModule, NotificationsModule, QueueModule, SchedulingModule, TargetsModule],
  providers: [
    {
      provide: ChunkRunner,
      inject: [DatabaseService, CompiledImportProcesses, TargetRegistry, ChunkScheduler, BatchFinisher],
      useFactory: (...parts: ConstructorParameters<typeof ChunkRunner>) => new ChunkRunner(...parts),
    },
    ImportConsumer,
    Reconciler,
  ],
})
export class ProcessingModule {}
