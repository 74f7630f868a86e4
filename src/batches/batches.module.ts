import { Module } from '@nestjs/common';
import { BatchList } from '../import-queue/batch-list.js';
import { BatchesController } from '../import-queue/batches.controller.js';
import { ResultDownload } from '../import-queue/result-download.js';
import { BatchReader } from './batch-reader.js';
import { RecordPages } from './record-pages.js';

/** How batches, their records and their results are read. */
@Module({
  controllers: [BatchesController],
  providers: [BatchList, BatchReader, RecordPages, ResultDownload],
  exports: [BatchList, BatchReader, RecordPages, ResultDownload],
})
export class BatchesModule {}
