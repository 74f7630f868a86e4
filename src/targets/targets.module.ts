import { Inject, Injectable, Module, type Type } from '@nestjs/common';
import { WebhookClient } from '../delivery/webhook-client.js';
import { SharedLimitsModule } from '../platform/shared-limits.js';
import type { RecordTarget } from '../records/target.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { HttpTarget } from './http/http.target.js';
import { TableConnections } from './table/connections.js';
import { TableTarget } from './table/table.target.js';
import { WorkflowTarget } from './workflow/workflow.target.js';

/** Injection token of the targets that `targets.module.ts` lists. */
const RECORD_TARGETS = Symbol('RECORD_TARGETS');

@Injectable()
export class TargetRegistry {
  constructor(@Inject(RECORD_TARGETS) private readonly targets: readonly RecordTarget[]) {}

  get kinds(): readonly string[] {
    return this.targets.map(({ kind }) => kind);
  }

  /** Returns `undefined` if no target of this kind is built in. */
  find(kind: string): RecordTarget | undefined {
    return this.targets.find((target) => target.kind === kind);
  }
}

/** The targets of this installation. Add your own here: docs/targets.md shows how to write one. */
const TARGETS: Type<RecordTarget>[] = [WorkflowTarget, TableTarget, HttpTarget];

@Module({
  imports: [SharedLimitsModule, WorkflowsModule],
  providers: [
    ...TARGETS,
    TableConnections,
    WebhookClient,
    {
      provide: RECORD_TARGETS,
      inject: TARGETS,
      useFactory: (...targets: RecordTarget[]) => targets,
    },
    TargetRegistry,
  ],
  exports: [TableConnections, TargetRegistry],
})
export class TargetsModule {}
