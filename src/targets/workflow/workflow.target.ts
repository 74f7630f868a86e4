import { Injectable } from '@nestjs/common';
import type { JsonObject } from '../../platform/json/json-value.js';
import type {
  ChunkContext,
  ConfigurationProblem,
  ImportRecord,
  PinnedConfiguration,
  PreviewContext,
  PreviewRun,
  RecordOutcome,
  RecordTarget,
  TargetConfiguration,
} from '../../records/target.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import {
  type CompiledWorkflowTarget,
  compileWorkflowTarget,
} from '../../workflows/engine/compiled-workflow-target.js';
import { RowApplication } from '../../workflows/engine/row-application.js';
import { RowPreview } from '../../workflows/engine/row-preview.js';
import { isWorkflowConfiguration, validateWorkflowConfiguration } from './workflow-configuration.js';

/** Performs a workflow action for each record. Instances are in our own database, so the effects commit with the chunk. */
@Injectable()
export class WorkflowTarget implements RecordTarget<CompiledWorkflowTarget> {
  readonly kind = 'workflow';

  constructor(private readonly workflows: WorkflowDefinitionsService) {}

  async validate(
    target: TargetConfiguration,
    recordSchema: JsonObject | null,
  ): Promise<ConfigurationProblem[]> {
    const stored =
      typeof target.workflow === 'string' ? await this.workflows.find(target.workflow) : undefined;
    return validateWorkflowConfiguration(target, stored?.definition, recordSchema);
  }

  async pin(target: TargetConfiguration): Promise<Pick<PinnedConfiguration, 'workflowVersion'>> {
    const { version } = await this.workflows.current(configurationOf(target).workflow);
    return { workflowVersion: version };
  }

  async compile(pinned: PinnedConfiguration): Promise<CompiledWorkflowTarget> {
    const configuration = configurationOf(pinned.target);
    const { workflow } = configuration;
    const stored =
      pinned.workflowVersion === null
        ? await this.workflows.current(workflow)
        : await this.workflows.version(workflow, pinned.workflowVersion);
    const { workflowId, definition } = stored;
    return compileWorkflowTarget({
      workflowId,
      definition,
      configuration,
      recordSchema: pinned.recordSchema,
    });
  }

  process(
    records: readonly ImportRecord[],
    context: ChunkContext<CompiledWorkflowTarget>,
  ): Promise<RecordOutcome[]> {
    return new RowApplication(context).apply(records);
  }

  preview(context: PreviewContext<CompiledWorkflowTarget>): Promise<PreviewRun> {
    const preview = new RowPreview(context);
    return Promise.resolve({
      chunk: (records, occursLater) => preview.see(records, occursLater),
    });
  }
}

function configurationOf(target: TargetConfiguration) {
  if (!isWorkflowConfiguration(target))
    throw new Error('the stored configuration is not that of a workflow target');
  return target;
}
