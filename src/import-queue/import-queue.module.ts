import { Module } from '@nestjs/common';
import { BatchesModule } from '../batches/batches.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { SchedulingModule } from '../processing/processing.module.js';
import { TargetsModule } from '../targets/targets.module.js';
import { AdmissionInterceptor, AdmissionService } from './admission.service.js';
import { BatchActionsController, BatchRetryController } from './batch-actions.controller.js';
import { BatchActionsService } from './batch-actions.service.js';
import { BatchEventsController } from './batch-events.controller.js';
import { BatchEvents } from './batch-events.js';
import { BatchRetryService } from './batch-retry.service.js';
import { ColumnMappingService } from './column-mapping.service.js';
import { IdempotencyService } from './idempotency.service.js';
import { ImportQueueController } from './import-queue.controller.js';
import { ImportQueueService } from './import-queue.service.js';
import { PreviewController } from './preview.controller.js';
import { PreviewService } from './preview.service.js';
import { RowSubmissionService } from './row-submission.service.js';
import { UploadsController } from './uploads.controller.js';
import { UploadsService } from './uploads.service.js';

/** One gate for all routes that receive bodies. */
@Module({
  providers: [AdmissionInterceptor, AdmissionService],
  exports: [AdmissionInterceptor, AdmissionService],
})
class AdmissionModule {}

/** How batches come in and are acted upon; how they are read is in `results/`, how they are worked off in `processing/`. */
@Module({
  imports: [AdmissionModule, ImportProcessesModule, BatchesModule, SchedulingModule, TargetsModule],
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
