import { Module } from '@nestjs/common';
import { QueueModule } from '../platform/queue/queues.js';
import { BatchMaker } from './batch-maker.js';
import { BatchReader } from './batch-reader.js';
import { RecordPages } from './record-pages.js';
import { UploadStore } from './upload-store.js';

/** Creates and reads batches with their records. */
@Module({
  imports: [QueueModule],
  providers: [BatchMaker, BatchReader, RecordPages, UploadStore],
  exports: [BatchMaker, BatchReader, RecordPages, UploadStore],
})
export class BatchesModule {}
