import { ApiKeyEntity } from '../auth/entities/api-key.entity.js';
import { AppUserEntity } from '../auth/entities/app-user.entity.js';
import { AuditLogEntity } from '../auth/entities/audit-log.entity.js';
import { UserSessionEntity } from '../auth/entities/user-session.entity.js';
import { ImportProcessColumnEntity } from '../import-processes/entities/import-process-column.entity.js';
import { ImportProcessVersionEntity } from '../import-processes/entities/import-process-version.entity.js';
import { ImportProcessEntity } from '../import-processes/entities/import-process.entity.js';
import { IdempotencyKeyEntity } from '../import-queue/entities/idempotency-key.entity.js';
import { ImportQueueBatchEntity } from '../import-queue/entities/import-queue-batch.entity.js';
import { ImportQueueChunkEntity } from '../import-queue/entities/import-queue-chunk.entity.js';
import { ImportQueueRecordEntity } from '../import-queue/entities/import-queue-record.entity.js';
import { NotificationEntity } from '../notifications/entities/notification.entity.js';
import { BehaviorOutboxEntity } from '../workflows/entities/behavior-outbox.entity.js';
import { WorkflowDefinitionEntity } from '../workflows/entities/workflow-definition.entity.js';
import { WorkflowIdentifierEntity } from '../workflows/entities/workflow-identifier.entity.js';
import { WorkflowInstanceEntity } from '../workflows/entities/workflow-instance.entity.js';
import { WorkflowLogEntity } from '../workflows/entities/workflow-log.entity.js';
import { WorkflowEntity } from '../workflows/entities/workflow.entity.js';

/** Every table the application knows. */
export const ENTITIES = [
  ApiKeyEntity,
  AppUserEntity,
  AuditLogEntity,
  BehaviorOutboxEntity,
  IdempotencyKeyEntity,
  ImportProcessColumnEntity,
  ImportProcessEntity,
  ImportProcessVersionEntity,
  ImportQueueBatchEntity,
  ImportQueueChunkEntity,
  ImportQueueRecordEntity,
  NotificationEntity,
  UserSessionEntity,
  WorkflowDefinitionEntity,
  WorkflowEntity,
  WorkflowIdentifierEntity,
  WorkflowInstanceEntity,
  WorkflowLogEntity,
];
