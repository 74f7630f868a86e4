import { Module } from '@nestjs/common';
import { WorkflowDefinitionsService } from './definition/workflow-definitions.service.js';

/** What other modules use of workflows; the routes are in `workflows-api.module.ts`. */
@Module({
  providers: [WorkflowDefinitionsService],
  exports: [WorkflowDefinitionsService],
})
export class WorkflowsModule {}
