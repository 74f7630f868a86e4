import { Module } from '@nestjs/common';
import { OutboxModule } from '../delivery/delivery.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { QueueModule } from '../platform/queue/queues.js';
import { TargetsModule } from '../targets/targets.module.js';
import { ChunkRunner } from './chunk-runner.js';
import { BatchFinisher, ChunkQueue, ChunkScheduler } from './chunk-scheduler.js';
import { ImportConsumer, WorkerPresence } from './import.consumer.js';
import { LeasedChunks } from './leased-chunks.js';
import { Reconciler } from './reconciler.js';

/** Queues chunks and ends batches; API processes and workers need it. */
@Module({
  imports: [OutboxModule, QueueModule],
  providers: [BatchFinisher, ChunkQueue, ChunkScheduler],
  exports: [BatchFinisher, ChunkQueue, ChunkScheduler],
})
export class SchedulingModule {}

/** Processes chunks and reconciles the queue with the database; only workers need it. */
@Module({
  imports: [ImportProcessesModule, OutboxModule, QueueModule, SchedulingModule, TargetsModule],
  providers: [ChunkRunner, ImportConsumer, LeasedChunks, Reconciler, WorkerPresence],
})
export class ProcessingModule {}
