import { Module } from '@nestjs/common';
import { BatchList } from './batch-list.js';
import { BatchReader } from './batch-reader.js';
import { BatchesController } from './batches.controller.js';
import { RecordPages } from './record-pages.js';
import { ResultDownload } from './result-download.js';

/** How batches, their records and their results are read. */
@Module({
  controllers: [BatchesController],
  providers: [BatchList, BatchReader, RecordPages, ResultDownload],
  exports: [BatchList, BatchReader, RecordPages, ResultDownload],
})
export class ResultsModule {}
