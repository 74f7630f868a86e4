import { Module, type OnModuleInit } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { IdempotencyService } from '../auth/idempotency.js';
import { BatchReader } from '../batches/batch-reader.js';
import { BatchesModule } from '../batches/batches.module.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { QueueModule } from '../platform/queue/queues.js';
import { SchedulingModule } from '../processing/processing.module.js';
import { TargetsModule } from '../targets/targets.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { AdmissionInterceptor, AdmissionService } from './admission.service.js';
import { BatchActionsController } from './batch-actions.controller.js';
import { BatchActionsService, BatchDeletionService, BatchRetryService } from './batch-actions.service.js';
import { BatchEvents } from './batch-events.js';
import { BatchList } from './batch-list.js';
import { BatchesController } from './batches.controller.js';
import { FileStartController } from './file-start.controller.js';
import { FileStartService } from './file-start.service.js';
import { FixDraftsService } from './fix-drafts.service.js';
import { FixService } from './fix.service.js';
import { ImportQueueController } from './import-queue.controller.js';
import { ImportQueueService } from './import-queue.service.js';
import { OverviewService } from './overview.service.js';
import { PreviewService } from './preview.service.js';
import { ResultDownload } from './result-download.js';
import { ResumableUploads } from './resumable-uploads.service.js';
import { RowSubmissionService } from './row-submission.service.js';
import { UndoService } from './undo.service.js';
import { UploadPartsController } from './upload-parts.controller.js';
import { UploadReadingService } from './upload-reading.service.js';
import { UploadsService } from './uploads.service.js';

/** One gate shared by all routes that receive bodies. */
@Module({
  providers: [AdmissionInterceptor, AdmissionService],
  exports: [AdmissionInterceptor, AdmissionService],
})
class AdmissionModule {}

/** The API of batches: it creates them, changes them, and reports the outcome of their records. */
@Module({
  imports: [
    AdmissionModule,
    AuthModule,
    ImportProcessesModule,
    BatchesModule,
    QueueModule,
    SchedulingModule,
    TargetsModule,
    WorkflowsModule,
  ],
  controllers: [
    BatchActionsController,
    BatchesController,
    FileStartController,
    ImportQueueController,
    UploadPartsController,
  ],
  providers: [
    BatchActionsService,
    BatchDeletionService,
    BatchEvents,
    BatchList,
    BatchRetryService,
    FileStartService,
    FixDraftsService,
    FixService,
    ImportQueueService,
    OverviewService,
    PreviewService,
    ResultDownload,
    ResumableUploads,
    RowSubmissionService,
    UndoService,
    UploadReadingService,
    UploadsService,
  ],
  exports: [
    AdmissionModule,
    BatchActionsService,
    BatchDeletionService,
    BatchList,
    BatchRetryService,
    FileStartService,
    FixDraftsService,
    FixService,
    OverviewService,
    PreviewService,
    ResultDownload,
    ResumableUploads,
    RowSubmissionService,
    UndoService,
    UploadReadingService,
    UploadsService,
  ],
})
export class ImportQueueModule implements OnModuleInit {
  constructor(
    private readonly idempotency: IdempotencyService,
    private readonly reader: BatchReader,
  ) {}

  onModuleInit(): void {
    this.idempotency.readBatchesWith((id, principal) => this.reader.get(id, principal));
  }
}
