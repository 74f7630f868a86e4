import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import type { TargetConfiguration } from '../../records/target.js';
import { workflowNotAllowed } from '../workflow.errors.js';
import type { StoredWorkflowDefinition } from './workflow-definitions.service.js';

/** Port. Import processes belong to a layer above and implement it. */
export abstract class CurrentTargets {
  /** The current target of each of the import processes. */
  abstract currentTargets(importProcessIds: readonly number[]): Promise<TargetConfiguration[]>;
}

/**
 * Determines which workflows a caller can reach. Credentials that are limited to certain import processes reach only
 * the workflows that these import processes currently target.
 */
@Injectable()
export class WorkflowAccess {
  constructor(private readonly importProcesses: CurrentTargets) {}

  /** @throws DomainError 403 `workflow_not_allowed` */
  async assertReaches(principal: Pick<Principal, 'importProcessIds'>, workflow: string): Promise<void> {
    const reached = await this.reachedBy(principal);
    if (reached !== null && !reached.has(workflow)) throw workflowNotAllowed(workflow);
  }

  /** The given workflows that the caller can reach. */
  async reachable(
    principal: Pick<Principal, 'importProcessIds'>,
    workflows: readonly StoredWorkflowDefinition[],
  ): Promise<StoredWorkflowDefinition[]> {
    const reached = await this.reachedBy(principal);
    return workflows.filter(({ definition }) => reached === null || reached.has(definition.name));
  }

  /** Names of the workflows that the caller can reach; `null` means all workflows. */
  private async reachedBy({
    importProcessIds,
  }: Pick<Principal, 'importProcessIds'>): Promise<ReadonlySet<string> | null> {
    if (importProcessIds === null) return null;
    const targets = await this.importProcesses.currentTargets(importProcessIds);
    return new Set(
      targets.flatMap(({ kind, workflow }) =>
        kind === 'workflow' && typeof workflow === 'string' ? [workflow] : [],
      ),
    );
  }
}
