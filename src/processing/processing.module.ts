import { Module } from '@nestjs/common';
import { OutboxModule } from '../delivery/delivery.module.js';
import { CompiledImportProcesses } from '../import-processes/compiled-import-processes.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { QueueModule } from '../platform/queue/queue.module.js';
import { TargetRegistry } from '../targets/target-registry.js';
import { TargetsModule } from '../targets/targets.module.js';
import { BatchFinisher } from './batch-finisher.js';
import { ChunkQueue } from './chunk-queue.js';
import { ChunkRunner } from './chunk-runner.js';
import { ChunkScheduler } from './chunk-scheduler.js';
import { ImportConsumer } from './import.consumer.js';
import { Reconciler } from './reconciler.js';

/** What both kinds of process need: queueing chunks and ending batches. */
@Module({
  imports: [OutboxModule, QueueModule],
  providers: [BatchFinisher, ChunkQueue, ChunkScheduler],
  exports: [BatchFinisher, ChunkQueue, ChunkScheduler],
})
export class SchedulingModule {}

/** What a worker process does besides answering health checks. */
@Module({
  imports: [ImportProcessesModule, OutboxModule, QueueModule, SchedulingModule, TargetsModule],
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
