import { Injectable, Optional } from '@nestjs/common';
import { jsonSchemaProblems } from '../../platform/json/json-schema.js';
import type { JsonObject } from '../../platform/json/json-value.js';
import { SecretBox } from '../../platform/secret-box.js';
import { nearestName } from '../../platform/wording.js';
import type {
  ChunkContext,
  ConfigurationProblem,
  ImportRecord,
  PinnedConfiguration,
  PreviewContext,
  PreviewedUndo,
  PreviewRun,
  RecordOutcome,
  RecordTarget,
  TargetConfiguration,
  UndoContext,
  UndoOutcome,
  UndoPreviewContext,
} from '../../records/target.js';
import type { WorkflowDefinition, WorkflowTargetConfiguration } from '../../workflows/definition.js';
import { WorkflowDefinitionsService } from '../../workflows/definition/workflow-definitions.service.js';
import {
  type CompiledWorkflowTarget,
  compileWorkflowTarget,
  RowApplication,
} from '../../workflows/engine/row-application.js';
import { RowPreview } from '../../workflows/engine/row-preview.js';
import { previewReversal, reversalKeys, RowReversal } from '../../workflows/engine/row-reversal.js';

const MEMBERS = ['kind', 'workflow', 'step', 'action', 'onNoMatch', 'onMatch', 'muteBehaviors'];
const ON_NO_MATCH = ['create', 'reject'];
const ON_MATCH = ['update', 'reject', 'skip'];

function isWorkflowConfiguration(
  target: TargetConfiguration,
): target is TargetConfiguration & WorkflowTargetConfiguration {
  return target.kind === 'workflow' && typeof target.workflow === 'string' && typeof target.step === 'string';
}

/** Every problem that prevents an import process from performing actions of the workflow, each with its place. */
function validateWorkflowConfiguration(
  target: TargetConfiguration,
  definition: WorkflowDefinition | undefined,
  recordSchema: JsonObject | null,
): ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  const refuse = (member: string, code: string, message: string) =>
    problems.push({ pointer: `/target/${member}`, code, message: `${member} ${message}` });

  for (const member of Object.keys(target).filter((name) => !MEMBERS.includes(name))) {
    refuse(member, 'unknown_member', `is not a member of a workflow target${hint(member, MEMBERS)}`);
  }
  if (!ON_NO_MATCH.includes(target.onNoMatch as string))
    refuse('onNoMatch', 'invalid_value', 'must be create or reject');
  if (!ON_MATCH.includes(target.onMatch as string))
    refuse('onMatch', 'invalid_value', 'must be update, reject or skip');
  if (target.muteBehaviors !== undefined && typeof target.muteBehaviors !== 'boolean')
    refuse('muteBehaviors', 'invalid_value', 'must be true or false');
  if (definition === undefined) {
    refuse(
      'workflow',
      'unknown_workflow',
      `must name an existing workflow, not ${JSON.stringify(target.workflow)}`,
    );
  } else {
    validateStep(target, definition, refuse);
  }
  for (const { pointer, code, message } of recordSchema === null ? [] : jsonSchemaProblems(recordSchema)) {
    problems.push({ pointer: `/recordSchema${pointer}`, code, message: `recordSchema${pointer} ${message}` });
  }
  return problems;
}

function validateStep(
  target: TargetConfiguration,
  { name: workflow, steps }: WorkflowDefinition,
  refuse: (member: string, code: string, message: string) => void,
): void {
  const importSteps = steps.filter(({ kind }) => kind === 'dataImport');
  const names = importSteps.map(({ name }) => name);
  const step = importSteps.find(({ name }) => name === target.step);
  if (step === undefined) {
    refuse(
      'step',
      'unknown_step',
      `must name a data import step of "${workflow}": ${names.join(', ') || 'it has none'}`,
    );
    return;
  }
  const actions = step.actions.map(({ name }) => name);
  if (target.action !== undefined && !actions.includes(target.action as string)) {
    refuse('action', 'unknown_action', `must name an action of step "${step.name}": ${actions.join(', ')}`);
  }
}

function hint(member: string, known: readonly string[]): string {
  const nearest = nearestName(member, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/**
 * Performs a workflow action for each record. Instances are in the application's database, so effects commit with the
 * chunk.
 */
@Injectable()
export class WorkflowTarget implements RecordTarget<CompiledWorkflowTarget> {
  readonly kind = 'workflow';

  constructor(
    private readonly workflows: WorkflowDefinitionsService,
    @Optional() private readonly secrets: SecretBox = new SecretBox(),
  ) {}

  async validate(
    target: TargetConfiguration,
    recordSchema: JsonObject | null,
  ): Promise<ConfigurationProblem[]> {
    const stored =
      typeof target.workflow === 'string' ? await this.workflows.find(target.workflow) : undefined;
    return validateWorkflowConfiguration(target, stored?.definition, recordSchema);
  }

  async pin(target: TargetConfiguration): Promise<Pick<PinnedConfiguration, 'workflowVersion'>> {
    return { workflowVersion: await this.workflows.currentVersion(configurationOf(target).workflow) };
  }

  async compile(pinned: PinnedConfiguration): Promise<CompiledWorkflowTarget> {
    const configuration = configurationOf(pinned.target);
    const { workflow } = configuration;
    const stored =
      pinned.workflowVersion === null
        ? await this.workflows.forProcessing(workflow)
        : await this.workflows.version(workflow, pinned.workflowVersion);
    const { workflowId, definition } = stored;
    return compileWorkflowTarget({
      workflowId,
      definition,
      configuration,
      recordSchema: pinned.recordSchema,
      timeZone: pinned.timeZone,
      identifierNeeded: pinned.allowWithoutIdentifier === true ? 'never' : 'always',
      secrets: this.secrets,
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
      lookUp: (records) => preview.lookUp(records),
      sameThings: preview.sameThings,
      existingThings: () => preview.existingThings(),
    });
  }

  undo(
    records: readonly ImportRecord[],
    context: UndoContext<CompiledWorkflowTarget>,
  ): Promise<UndoOutcome[]> {
    return new RowReversal(context).apply(records);
  }

  previewUndo(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<CompiledWorkflowTarget>,
  ): Promise<PreviewedUndo[]> {
    return previewReversal(records, context);
  }

  undoKeys(
    records: readonly ImportRecord[],
    context: UndoPreviewContext<CompiledWorkflowTarget>,
  ): Promise<ReadonlyMap<number, readonly string[]>> {
    return reversalKeys(records, context);
  }
}

function configurationOf(target: TargetConfiguration) {
  if (!isWorkflowConfiguration(target))
    throw new Error('the stored configuration is not that of a workflow target');
  return target;
}
