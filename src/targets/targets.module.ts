import { Module, type Type } from '@nestjs/common';
import type { RecordTarget } from '../records/target.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { RECORD_TARGETS, TargetRegistry } from './target-registry.js';
import { WorkflowTarget } from './workflow/workflow.target.js';

/** The targets of this installation. Add your own here: docs/targets.md shows how to write one. */
const TARGETS: Type<RecordTarget>[] = [WorkflowTarget];

@Module({
  imports: [WorkflowsModule],
  providers: [
    ...TARGETS,
    {
      provide: RECORD_TARGETS,
      inject: TARGETS,
      useFactory: (...targets: RecordTarget[]) => targets,
    },
    TargetRegistry,
  ],
  exports: [TargetRegistry],
})
export class TargetsModule {}
