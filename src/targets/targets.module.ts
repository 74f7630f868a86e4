import { Module } from '@nestjs/common';
import type { RecordTarget } from '../records/target.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { RECORD_TARGETS, TargetRegistry } from './target-registry.js';
import { WorkflowTarget } from './workflow/workflow.target.js';

/** The targets of this installation. A target of your own is a class that implements `RecordTarget`: docs/targets.md has one. */
@Module({
  imports: [WorkflowsModule],
  providers: [
    WorkflowTarget,
    {
      provide: RECORD_TARGETS,
      inject: [WorkflowTarget],
      useFactory: (...targets: RecordTarget[]) => targets,
    },
    TargetRegistry,
  ],
  exports: [TargetRegistry],
})
export class TargetsModule {}
