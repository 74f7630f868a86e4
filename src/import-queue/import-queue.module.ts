import { Module } from '@nestjs/common';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { AdmissionModule } from './admission/admission.module.js';
import { BatchActionsController } from './batch-actions.controller.js';
import { BatchActionsService } from './batch-actions.service.js';
import { BatchRetryController } from './batch-retry.controller.js';
import { BatchRetryService } from './batch-retry.service.js';
import { IdempotencyService } from './idempotency.service.js';
import { ImportQueueController } from './import-queue.controller.js';
import { ImportQueueService } from './import-queue.service.js';
import { RowSubmissionService } from './row-submission.service.js';
import { SchedulingModule } from './processing/scheduling.module.js';
import { ResultsModule } from './results/results.module.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsService } from './uploads/uploads.service.js';

/** How batches come in and are acted upon; how they are read is in `results/`, how they are worked off in `processing/`. */
@Module({
  imports: [AdmissionModule, ImportProcessesModule, ResultsModule, SchedulingModule],
  controllers: [BatchActionsController, BatchRetryController, ImportQueueController, UploadsController],
  providers: [
    BatchActionsService,
    BatchRetryService,
    IdempotencyService,
    ImportQueueService,
    RowSubmissionService,
    UploadsService,
  ],
  exports: [BatchActionsService, BatchRetryService, RowSubmissionService, UploadsService],
})
export class ImportQueueModule {}
