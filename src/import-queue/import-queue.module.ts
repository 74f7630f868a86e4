import { Module } from '@nestjs/common';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { TargetsModule } from '../targets/targets.module.js';
import { AdmissionModule } from './admission/admission.module.js';
import { BatchActionsController } from './batch-actions.controller.js';
import { BatchActionsService } from './batch-actions.service.js';
import { BatchRetryController } from './batch-retry.controller.js';
import { BatchRetryService } from './batch-retry.service.js';
import { BatchEvents } from './events/batch-events.js';
import { BatchEventsController } from './events/batch-events.controller.js';
import { IdempotencyService } from './idempotency.service.js';
import { ImportQueueController } from './import-queue.controller.js';
import { ImportQueueService } from './import-queue.service.js';
import { PreviewController } from './preview/preview.controller.js';
import { PreviewService } from './preview/preview.service.js';
import { RowSubmissionService } from './row-submission.service.js';
import { SchedulingModule } from './processing/scheduling.module.js';
import { ResultsModule } from './results/results.module.js';
import { ColumnMappingService } from './uploads/column-mapping.service.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsService } from './uploads/uploads.service.js';

/** How batches come in and are acted upon; how they are read is in `results/`, how they are worked off in `processing/`. */
@Module({
  imports: [AdmissionModule, ImportProcessesModule, ResultsModule, SchedulingModule, TargetsModule],
  controllers: [
    BatchActionsController,
    BatchEventsController,
    BatchRetryController,
    ImportQueueController,
    PreviewController,
    UploadsController,
  ],
  providers: [
    BatchActionsService,
    BatchEvents,
    BatchRetryService,
    ColumnMappingService,
    IdempotencyService,
    ImportQueueService,
    PreviewService,
    RowSubmissionService,
    UploadsService,
  ],
  exports: [
    BatchActionsService,
    ColumnMappingService,
    BatchRetryService,
    PreviewService,
    RowSubmissionService,
    UploadsService,
  ],
})
export class ImportQueueModule {}
