import type { CompiledTarget, ImportRecord } from '../../targets/target.js';
import type { ActionEffects } from '../behaviors/action-effects.js';
import type { WorkflowDefinition, WorkflowTargetConfiguration } from '../definition.js';
import type { RowResult } from './parsed-row.js';

/** An import process of kind `workflow`, ready to read rows. */
export interface CompiledWorkflowTarget extends CompiledTarget {
  readonly workflowId: number;
  readonly definition: WorkflowDefinition;
  readonly configuration: WorkflowTargetConfiguration;
  /** What follows from the actions of the step. */
  readonly effects: ActionEffects;
  /** Pass 2 of a record that passed `checkRow`: the same rules, and what the row means. */
  parseRow(record: ImportRecord): RowResult;
}
