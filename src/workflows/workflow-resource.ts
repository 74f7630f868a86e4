import { hideSecrets } from './behaviors/webhook-secrets.js';
import type { VersionedWorkflowDefinition } from './definition.js';
import type { StoredWorkflowDefinition } from './workflow-definitions.service.js';

/** A definition as routes answer it: without secrets. Edited, it can be sent back as it is. */
export function workflowResource({
  version,
  definition,
}: StoredWorkflowDefinition): VersionedWorkflowDefinition {
  const { name, title, ...rest } = hideSecrets(definition);
  return { name, title, version, ...rest };
}

/** A workflow in the list: what people choose it by. */
export interface WorkflowSummary {
  name: string;
  title: string;
  entityType: string;
  version: number;
}

export function workflowSummary({ version, definition }: StoredWorkflowDefinition): WorkflowSummary {
  const { name, title, entityType } = definition;
  return { name, title, entityType, version };
}
