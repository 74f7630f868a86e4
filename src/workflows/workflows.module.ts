import { Module } from '@nestjs/common';
import { WorkflowDefinitionsService } from './definition/workflow-definitions.service.js';

/** The services that other modules use; `workflows-api.module.ts` has the routes. */
@Module({
  providers: [WorkflowDefinitionsService],
  exports: [WorkflowDefinitionsService],
})
export class WorkflowsModule {}
