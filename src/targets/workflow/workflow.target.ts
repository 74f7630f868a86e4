import { Injectable } from '@nestjs/common';
import type { JsonObject } from '../../common/json.js';
import { compileWorkflowTarget } from '../../workflows/rows/compile-workflow-target.js';
import type { CompiledWorkflowTarget } from '../../workflows/rows/compiled-workflow-target.js';
import { WorkflowDefinitionsService } from '../../workflows/workflow-definitions.service.js';
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
} from '../target.js';
import { RowApplication } from './apply-rows.js';
import { RowPreview } from './preview-rows.js';
import { isWorkflowConfiguration, validateWorkflowConfiguration } from './validate-configuration.js';

/** Characters of payload. */
const LARGEST_SLICE = 8 * 1024 * 1024;

/** Performs a workflow action for each record, in our own database and so in the chunk's transaction. */
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

  async process(
    records: readonly ImportRecord[],
    context: ChunkContext<CompiledWorkflowTarget>,
  ): Promise<RecordOutcome[]> {
    const application = new RowApplication(context);
    return inSlices(records, (slice) => application.apply(slice));
  }

  preview(context: PreviewContext<CompiledWorkflowTarget>): Promise<PreviewRun> {
    const preview = new RowPreview(context);
    return Promise.resolve({
      chunk: (records, occursLater) =>
        // Of several slices the later ones may ask as well.
        inSlices(records, (slice, isLast) => preview.see(slice, isLast ? occursLater : () => true)),
    });
  }
}

async function inSlices(
  records: readonly ImportRecord[],
  perform: (slice: readonly ImportRecord[], isLast: boolean) => Promise<RecordOutcome[]>,
): Promise<RecordOutcome[]> {
  let outcomes: RecordOutcome[] = [];
  let seen = 0;
  for (const slice of slicesOf(records)) {
    seen += slice.length;
    outcomes = outcomes.concat(await perform(slice, seen === records.length));
  }
  return outcomes;
}

/** Runs of records that together are no larger than statements and memory can bear, whatever the size of each. */
function* slicesOf(records: readonly ImportRecord[]): Generator<readonly ImportRecord[]> {
  let start = 0;
  let size = 0;
  for (const [index, { payload }] of records.entries()) {
    if (size > 0 && size + payload.length > LARGEST_SLICE) {
      yield records.slice(start, index);
      start = index;
      size = 0;
    }
    size += payload.length;
  }
  if (start < records.length) yield records.slice(start);
}

function configurationOf(target: TargetConfiguration) {
  if (!isWorkflowConfiguration(target))
    throw new Error('the stored configuration is not one of the workflow target');
  return target;
}
