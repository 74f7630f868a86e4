import { Module } from '@nestjs/common';
import { BatchReader } from './batch-reader.js';
import { RecordPages } from './record-pages.js';

/** Reads batches and their records. */
@Module({
  providers: [BatchReader, RecordPages],
  exports: [BatchReader, RecordPages],
})
export class BatchesModule {}
