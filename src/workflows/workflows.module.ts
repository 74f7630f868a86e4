import { Module } from '@nestjs/common';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { BehaviorMessages } from './behaviors/behavior-messages.js';
import { SecretsAtRest } from './definition/secrets-at-rest.js';
import { WorkflowDefinitionsService } from './definition/workflow-definitions.service.js';

/** The services that other modules use; `workflows-api.module.ts` has the routes. */
@Module({
  providers: [SecretsAtRest, WorkflowDefinitionsService],
  exports: [WorkflowDefinitionsService],
})
export class WorkflowsModule {}

/** Sends the mails and webhooks that actions cause; for worker processes. */
@Module({
  imports: [DeliveryModule],
  providers: [BehaviorMessages],
})
export class BehaviorMessagesModule {}
