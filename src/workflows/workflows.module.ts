import { Module } from '@nestjs/common';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { BehaviorMessages } from './behaviors/behavior-messages.js';
import { SecretsAtRest } from './definition/secrets-at-rest.js';
import { WorkflowAccess } from './definition/workflow-access.js';
import { WorkflowDefinitionsService } from './definition/workflow-definitions.service.js';
import { WorkflowsController } from './definition/workflows.controller.js';
import { ActionsService } from './instances/actions.service.js';
import { ActionsController, InstancesController } from './instances/instances.controller.js';
import { InstancesService } from './instances/instances.service.js';

/** The services that other modules use; `WorkflowsApiModule` has the routes. */
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

/** The routes. They have their own module because a process that only works on queues serves none of them. */
@Module({
  imports: [WorkflowsModule],
  exports: [InstancesService, WorkflowAccess, WorkflowsModule],
  controllers: [ActionsController, InstancesController, WorkflowsController],
  providers: [ActionsService, InstancesService, WorkflowAccess],
})
export class WorkflowsApiModule {}
