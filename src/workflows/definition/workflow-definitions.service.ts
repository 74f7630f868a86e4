import { Injectable } from '@nestjs/common';
import { writeAudit } from '../../auth/audit.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { isUniqueViolation } from '../../platform/database/postgres-errors.js';
import type { Sql } from '../../platform/database/transaction.js';
import type { VersionedWorkflowDefinition, WorkflowDefinition } from '../definition.js';
import { identifiersComparedDifferently } from '../engine/identifiers.sql.js';
import { WorkflowDefinitionEntity, WorkflowEntity } from '../entities.js';
import { readDefinition } from './definition-reader.js';
import { hideSecrets, restoreSecrets } from './webhook-secrets.js';
import {
  identifiersInUse,
  workflowChangedMeanwhile,
  workflowNameTaken,
  workflowNotFound,
} from './workflow.errors.js';

export interface StoredWorkflowDefinition {
  workflowId: number;
  version: number;
  definition: WorkflowDefinition;
}

interface DefinitionRow {
  workflow_id: number;
  version: number;
  definition: WorkflowDefinition;
}

/** Workflow definitions and their versions. A version, once stored, never changes. */
@Injectable()
export class WorkflowDefinitionsService {
  constructor(private readonly database: DatabaseService) {}

  /** @throws DomainError 404 `workflow_not_found` */
  async current(name: string): Promise<StoredWorkflowDefinition> {
    return (await this.find(name)) ?? fail(name);
  }

  /** `undefined` when no workflow has that name. */
  async find(name: string): Promise<StoredWorkflowDefinition | undefined> {
    // Whatever cannot be a name is none; a text with U+0000 is not even a parameter to PostgreSQL.
    if (name.includes('\0')) return undefined;
    const { rows } = await this.database.query<DefinitionRow>(
      `SELECT workflow_id, version, definition
         FROM workflow JOIN workflow_definition USING (workflow_id)
        WHERE workflow.name = $1 AND version = current_version`,
      [name],
    );
    return rows.map(toStored)[0];
  }

  /** @throws DomainError 404 `workflow_not_found` when there is no such workflow or version */
  async version(name: string, version: number): Promise<StoredWorkflowDefinition> {
    const { rows } = await this.database.query<DefinitionRow>(
      `SELECT workflow_id, version, definition
         FROM workflow JOIN workflow_definition USING (workflow_id)
        WHERE workflow.name = $1 AND version = $2`,
      [name, version],
    );
    return rows.map(toStored)[0] ?? fail(name);
  }

  /** Every version of a workflow, the newest first. */
  async versions(name: string): Promise<WorkflowDefinition[]> {
    const { rows } = await this.database.query<Pick<DefinitionRow, 'definition'>>(
      `SELECT definition
         FROM workflow JOIN workflow_definition USING (workflow_id)
        WHERE workflow.name = $1
        ORDER BY version DESC`,
      [name],
    );
    return rows.map(({ definition }) => definition);
  }

  /** The current version of every workflow, by name. */
  async list(): Promise<StoredWorkflowDefinition[]> {
    const { rows } = await this.database.query<DefinitionRow>(
      `SELECT workflow_id, version, definition
         FROM workflow JOIN workflow_definition USING (workflow_id)
        WHERE version = current_version
        ORDER BY workflow.name`,
    );
    return rows.map(toStored);
  }

  /** @throws DomainError 400 `invalid_definition`, 409 `workflow_name_taken` */
  async create(source: unknown, actor: string): Promise<StoredWorkflowDefinition> {
    const { definition } = readDefinition(source);
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const workflow = manager.create(WorkflowEntity, { name: definition.name, currentVersion: 1 });
      await manager.insert(WorkflowEntity, workflow).catch((error: unknown) => {
        throw isUniqueViolation(error) ? workflowNameTaken(definition.name, error) : error;
      });
      const stored = { workflowId: workflow.id, version: 1, definition };
      await manager.insert(WorkflowDefinitionEntity, { ...stored, createdBy: actor });
      await note(transaction, actor, 'workflow_created', stored);
      return stored;
    });
  }

  /**
   * Makes a new version, which batches that start from now on use. The row lock makes two calls at once
   * take turns: both become a version. A definition that says which version it was made from must have been
   * made from the current one. Secrets that are hidden in it are those of the current version.
   * @throws DomainError 400 `invalid_definition`, 404 `workflow_not_found`, 409 `version_conflict`
   *   or `identifier_in_use`
   */
  async replace(name: string, source: unknown, actor: string): Promise<StoredWorkflowDefinition> {
    const current = await this.find(name);
    const { definition, version: expected } = readDefinition(
      current === undefined ? source : restoreSecrets(source, current.definition),
      name,
    );
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      // `readDefinition` has seen that the definition has this very name.
      const workflow = await manager.findOne(WorkflowEntity, {
        where: { name },
        lock: { mode: 'pessimistic_write' },
      });
      if (workflow === null) throw workflowNotFound(name);
      if (expected !== undefined && expected !== workflow.currentVersion) {
        throw workflowChangedMeanwhile(name, expected, workflow.currentVersion);
      }
      const inUse = await identifiersComparedDifferently(transaction, workflow.id, definition.identifiers);
      if (inUse.length > 0) throw identifiersInUse(inUse);
      const stored = { workflowId: workflow.id, version: workflow.currentVersion + 1, definition };
      await manager.insert(WorkflowDefinitionEntity, { ...stored, createdBy: actor });
      await manager.update(
        WorkflowEntity,
        { id: workflow.id },
        { currentVersion: stored.version, updatedAt: () => 'now()' },
      );
      await note(transaction, actor, 'workflow_changed', stored);
      return stored;
    });
  }
}

const note = (sql: Sql, actor: string, action: string, { definition, version }: StoredWorkflowDefinition) =>
  writeAudit(sql, { actor, action, subject: `workflow:${definition.name}`, details: { version } });

function toStored(row: DefinitionRow): StoredWorkflowDefinition {
  return { workflowId: row.workflow_id, version: row.version, definition: row.definition };
}

function fail(name: string): never {
  throw workflowNotFound(name);
}

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
