import { Injectable, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { BehaviorMessages } from './behaviors/behavior-messages.js';
import { WorkflowAccess } from './definition/workflow-access.js';
import {
  isSealed,
  sealSecrets,
  WorkflowDefinitionsService,
} from './definition/workflow-definitions.service.js';
import { WorkflowsController } from './definition/workflows.controller.js';
import { ActionsService } from './instances/actions.service.js';
import { ActionsController, InstancesController } from './instances/instances.controller.js';
import { InstancesService } from './instances/instances.service.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { SecretBox } from '../platform/secret-box.js';
import type { WorkflowDefinition } from './definition.js';

interface StoredSecrets {
  workflow: string;
  workflowId: number;
  version: number;
  definition: WorkflowDefinition;
}

/**
 * Encrypts the secrets of all stored definitions, those of earlier versions included, with the present key at every
 * start. This is how a key is replaced: put the new one first, start every process, then remove the old one.
 */
@Injectable()
class SecretsAtRest implements OnApplicationBootstrap {
  private readonly logger = new Logger(SecretsAtRest.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly secrets: SecretBox,
  ) {}

  /** A start does not fail because of secrets: everything else works without them. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      const sealed = await this.sealAll();
      if (sealed > 0)
        this.logger.log(`The secrets of ${sealed} workflow versions are encrypted with the present key.`);
    } catch (error) {
      this.logger.error('Stored secrets could not be encrypted', error);
    }
  }

  /** Returns how many versions changed. Another process may be at it. */
  private sealAll(): Promise<number> {
    return this.database.transaction(async (transaction) => {
      if (!(await tryLock(transaction, 'secrets'))) return 0;
      const stored = await selectDefinitionsWithWebhooks(transaction);
      if (!this.secrets.hasKey) {
        if (stored.length > 0) {
          this.logger.warn(
            'URLs and secrets of webhooks are stored in clear. Set SECRETS_KEY or SESSION_SECRET.',
          );
        }
        return 0;
      }
      let sealed = 0;
      for (const { workflow, workflowId, version, definition } of stored) {
        if (isSealed(definition, this.secrets)) continue;
        try {
          const changed = JSON.stringify(sealSecrets(definition, this.secrets));
          await updateDefinition(transaction, { workflowId, version }, changed);
          sealed += 1;
        } catch (error) {
          this.logger.error(`Version ${version} of workflow ${workflow}: ${String(error)}`);
        }
      }
      return sealed;
    });
  }
}

async function selectDefinitionsWithWebhooks(sql: Sql): Promise<StoredSecrets[]> {
  const { rows } = await sql.query<StoredSecrets>(
    `SELECT w.name AS workflow, d.workflow_id AS "workflowId", d.version, d.definition
       FROM workflow_definition d JOIN workflow w USING (workflow_id)
      WHERE jsonb_path_exists(d.definition::jsonb, '$.steps[*].actions[*].behaviors[*] ? (@.kind == "webhook")')
      ORDER BY d.workflow_id, d.version`,
  );
  return rows;
}

/** Only the form of the secrets changes: a stored version means the same forever. */
async function updateDefinition(
  sql: Sql,
  { workflowId, version }: { workflowId: number; version: number },
  definition: string,
): Promise<void> {
  await sql.query('UPDATE workflow_definition SET definition = $3 WHERE workflow_id = $1 AND version = $2', [
    workflowId,
    version,
    definition,
  ]);
}

/** The services that other modules use; `WorkflowsApiModule` has the routes. */
@Module({
  providers: [SecretsAtRest, WorkflowDefinitionsService],
  exports: [WorkflowDefinitionsService],
})
export class WorkflowsModule {}

/** Sends the mails and webhooks that actions cause; for worker processes. */
@Module({
  imports: [DeliveryModule],
  providers: [BehaviorMessages],
})
export class BehaviorMessagesModule {}

/** The routes. They have their own module because a process that only works on queues serves none of them. */
@Module({
  imports: [WorkflowsModule],
  exports: [InstancesService, WorkflowAccess, WorkflowsModule],
  controllers: [ActionsController, InstancesController, WorkflowsController],
  providers: [ActionsService, InstancesService, WorkflowAccess],
})
export class WorkflowsApiModule {}
