import {
  AccountLinkEntity,
  ApiKeyEntity,
  AppUserEntity,
  AuditLogEntity,
  UserSessionEntity,
} from '../auth/entities.js';
import {
  IdempotencyKeyEntity,
  ImportQueueBatchEntity,
  ImportQueueChunkEntity,
  ImportQueueDeliveryEntity,
  ImportQueueLineEntity,
  ImportQueueOutcomeEntity,
  ImportQueuePreviewEntity,
  ImportQueuePreviewRunEntity,
  ImportQueueStatisticsEntity,
  ImportQueueWorkerEntity,
  UploadEntity,
  UploadPartEntity,
  UploadResourceEntity,
} from '../batches/entities.js';
import { OutboxEntity, WebhookEndpointEntity } from '../delivery/entities.js';
import {
  ImportProcessEntity,
  ImportProcessVersionEntity,
  SavedMappingEntity,
} from '../import-processes/entities.js';
import {
  WorkflowDefinitionEntity,
  WorkflowEntity,
  WorkflowIdentifierEntity,
  WorkflowInstanceEntity,
  WorkflowLogEntity,
} from '../workflows/entities.js';

/** All tables that the application knows. */
export const ENTITIES = [
  ApiKeyEntity,
  AppUserEntity,
  AuditLogEntity,
  IdempotencyKeyEntity,
  ImportProcessEntity,
  ImportProcessVersionEntity,
  ImportQueueBatchEntity,
  ImportQueueChunkEntity,
  ImportQueueDeliveryEntity,
  ImportQueueLineEntity,
  ImportQueueOutcomeEntity,
  ImportQueuePreviewEntity,
  ImportQueuePreviewRunEntity,
  ImportQueueStatisticsEntity,
  ImportQueueWorkerEntity,
  OutboxEntity,
  SavedMappingEntity,
  UploadEntity,
  UploadPartEntity,
  UploadResourceEntity,
  UserSessionEntity,
  WebhookEndpointEntity,
  AccountLinkEntity,
  WorkflowDefinitionEntity,
  WorkflowEntity,
  WorkflowIdentifierEntity,
  WorkflowInstanceEntity,
  WorkflowLogEntity,
];
