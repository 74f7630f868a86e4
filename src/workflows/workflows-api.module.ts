import { Module } from '@nestjs/common';
import { ActionsController } from './actions/actions.controller.js';
import { ActionsService } from './actions/actions.service.js';
import { WorkflowAccess } from './definition/workflow-access.js';
import { WorkflowsController } from './definition/workflows.controller.js';
import { InstancesController } from './instances/instances.controller.js';
import { InstancesService } from './instances/instances.service.js';
import { WorkflowsModule } from './workflows.module.js';

/** The routes. They have their own module because a process that only works on queues serves none of them. */
@Module({
  imports: [WorkflowsModule],
  exports: [InstancesService, WorkflowAccess, WorkflowsModule],
  controllers: [ActionsController, InstancesController, WorkflowsController],
  providers: [ActionsService, InstancesService, WorkflowAccess],
})
export class WorkflowsApiModule {}
