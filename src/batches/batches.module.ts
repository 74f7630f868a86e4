import { Module } from '@nestjs/common';
import { BatchMaker } from './batch-maker.js';
import { BatchReader } from './batch-reader.js';
import { RecordPages } from './record-pages.js';

/** Creates and reads batches with their records. */
@Module({
  providers: [BatchMaker, BatchReader, RecordPages],
  exports: [BatchMaker, BatchReader, RecordPages],
})
export class BatchesModule {}
