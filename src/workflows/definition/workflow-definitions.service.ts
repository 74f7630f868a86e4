import { Injectable, Optional } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { writeAudit } from '../../auth/audit-log.sql.js';
import { DatabaseService, type Sql } from '../../platform/database/database.service.js';
import { isUniqueViolation } from '../../platform/database/postgres-errors.js';
import { assertMeets, type VersionCondition } from '../../platform/http/answers.js';
import { SecretBox } from '../../platform/secret-box.js';
import type {
  BehaviorDefinition,
  IdentifierDefinition,
  VersionedWorkflowDefinition,
  WorkflowDefinition,
} from '../definition.js';
import { selectUsedIdentifiers } from '../engine/instances.sql.js';
import { WorkflowDefinitionEntity, WorkflowEntity } from '../entities.js';
import {
  identifiersInUse,
  workflowChangedMeanwhile,
  workflowNameTaken,
  workflowNotFound,
} from '../workflow.errors.js';
import { readDefinition } from './definition-reader.js';
import { HIDDEN_SECRET, restoreSecrets } from './webhook-secrets.js';

/** Workflow definitions and their versions. A stored version never changes. */
@Injectable()
export class WorkflowDefinitionsService {
  constructor(
    private readonly database: DatabaseService,
    @Optional() private readonly secrets: SecretBox = new SecretBox(),
  ) {}

  /** @throws DomainError 404 `workflow_not_found` */
  async current(name: string): Promise<StoredWorkflowDefinition> {
    return (await this.find(name)) ?? fail(name);
  }

  /** Its number alone: every call that creates a batch asks. @throws DomainError 404 `workflow_not_found` */
  async currentVersion(name: string): Promise<number> {
    return (await selectCurrentVersion(this.database, name)) ?? fail(name);
  }

  /** Returns `undefined` if no workflow has that name. */
  async find(name: string): Promise<StoredWorkflowDefinition | undefined> {
    // PostgreSQL refuses a text with U+0000 even as a parameter.
    const stored = name.includes('\0') ? undefined : await selectDefinition(this.database, name);
    return stored && this.opened(stored);
  }

  /** @throws DomainError 404 `workflow_not_found` when the workflow or the version does not exist */
  async version(name: string, version: number): Promise<StoredWorkflowDefinition> {
    const stored = await selectDefinition(this.database, name, version);
    return stored === undefined ? fail(name) : this.opened(stored, { forEditing: false });
  }

  /** The current version, whose secrets stay encrypted until a webhook is sent. @throws DomainError 404 `workflow_not_found` */
  async forProcessing(name: string): Promise<StoredWorkflowDefinition> {
    const { version } = await this.current(name);
    return this.version(name, version);
  }

  private opened(
    { definition, ...stored }: StoredWorkflowDefinition,
    purpose = { forEditing: true },
  ): StoredWorkflowDefinition {
    return { ...stored, definition: openSecrets(definition, this.secrets, purpose) };
  }

  /** Every version of a workflow, newest first. */
  async versions(name: string): Promise<WorkflowDefinition[]> {
    return (await selectVersionsOf(this.database, name)).map((stored) => this.opened(stored).definition);
  }

  /** The newest versions with their authors, newest first, at most `limit`. */
  history(name: string, limit: number): Promise<DatedDefinition[]> {
    return selectHistory(this.database, name, limit);
  }

  /** The current version of every workflow, by name. */
  async list(): Promise<StoredWorkflowDefinition[]> {
    return (await selectCurrentDefinitions(this.database)).map((stored) => this.opened(stored));
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
      await this.insert(manager, stored, actor);
      await note(transaction, actor, 'workflow_created', stored);
      return stored;
    });
  }

  private async insert(
    manager: EntityManager,
    stored: StoredWorkflowDefinition,
    createdBy: string,
  ): Promise<void> {
    const definition = sealSecrets(stored.definition, this.secrets);
    await manager.insert(WorkflowDefinitionEntity, { ...stored, definition, createdBy });
  }

  /**
   * Creates a new version, for batches that start from now on. The row lock makes two concurrent calls take turns, and
   * each creates a version. If a definition names the version it is based on, that must be the current version. Hidden
   * secrets in the definition stand for the secrets of the current version.
   * @throws DomainError 400 `invalid_definition`, 404 `workflow_not_found`, 409 `version_conflict` or
   *   `identifier_in_use`, 412 `precondition_failed`
   */
  async replace(
    name: string,
    source: unknown,
    actor: string,
    condition?: VersionCondition,
  ): Promise<StoredWorkflowDefinition> {
    const current = await this.find(name);
    const { definition, version: expected } = readDefinition(
      current === undefined ? source : restoreSecrets(source, current.definition),
      name,
    );
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      // `readDefinition` has checked that the definition has this name.
      const workflow = await manager.findOne(WorkflowEntity, {
        where: { name },
        lock: { mode: 'pessimistic_write' },
      });
      if (workflow === null) throw workflowNotFound(name);
      assertMeets(condition, workflow.currentVersion);
      if (expected !== undefined && expected !== workflow.currentVersion) {
        throw workflowChangedMeanwhile(name, expected, workflow.currentVersion);
      }
      await refuseChangedIdentifiers(transaction, workflow.id, definition.identifiers);
      const stored = { workflowId: workflow.id, version: workflow.currentVersion + 1, definition };
      await this.insert(manager, stored, actor);
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

/**
 * Instances are found by the identifiers as they were stored. If the definition now compared an identifier differently,
 * rows would no longer find existing instances and would create them again.
 */
async function refuseChangedIdentifiers(
  sql: Sql,
  workflowId: number,
  identifiers: readonly IdentifierDefinition[],
): Promise<void> {
  const latest = new Map((await selectLatestIdentifiers(sql, workflowId)).map((each) => [each.name, each]));
  const changed = identifiers.filter((identifier) => {
    const before = latest.get(identifier.name);
    return before !== undefined && comparison(before) !== comparison(identifier);
  });
  if (changed.length === 0) return;
  const names = changed.map(({ name }) => name);
  const used = await selectUsedIdentifiers(sql, workflowId, names);
  if (used.length > 0) throw identifiersInUse(used);
}

function comparison({
  unique,
  caseInsensitive = false,
}: Pick<IdentifierDefinition, 'unique' | 'caseInsensitive'>) {
  return `${unique} ${caseInsensitive}`;
}

const note = (sql: Sql, actor: string, action: string, { definition, version }: StoredWorkflowDefinition) =>
  writeAudit(sql, { actor, action, subject: `workflow:${definition.name}`, details: { version } });

function fail(name: string): never {
  throw workflowNotFound(name);
}

/** A definition as responses show it, without secrets. A client can edit it and send it back. */
export function workflowResource({
  version,
  definition,
}: StoredWorkflowDefinition): VersionedWorkflowDefinition {
  const { name, title, ...rest } = hideSecrets(definition);
  return { name, title, version, ...rest };
}

/** A workflow in the list, with the members that people need to choose one. */
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

/*
 * Tables `workflow` (one row per name, with the number of the current version) and `workflow_definition` (one row per
 * version, which never changes):
 *
 *     create ──▶ version 1 ──replace──▶ version 2 ──replace──▶ …
 *
 * `WorkflowDefinitionsService` inserts the entities. Batches pin the version that was current when they started.
 */

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

const FROM_WORKFLOWS = `
  SELECT workflow_id, version, definition
    FROM workflow JOIN workflow_definition USING (workflow_id)`;

/** Returns one version of a workflow, by default the current one; `undefined` if it does not exist. */
async function selectDefinition(
  sql: Sql,
  name: string,
  version: number | null = null,
): Promise<StoredWorkflowDefinition | undefined> {
  const { rows } = await sql.query<DefinitionRow>(
    `${FROM_WORKFLOWS} WHERE workflow.name = $1 AND version = coalesce($2, current_version)`,
    [name, version],
  );
  return rows.map(toStored)[0];
}

async function selectCurrentVersion(sql: Sql, name: string): Promise<number | undefined> {
  const { rows } = await sql.query<{ version: number }>(
    'SELECT current_version AS version FROM workflow WHERE name = $1',
    [name],
  );
  return rows[0]?.version;
}

/** Every version of a workflow, newest first. */
async function selectVersionsOf(sql: Sql, name: string): Promise<StoredWorkflowDefinition[]> {
  const { rows } = await sql.query<DefinitionRow>(
    `${FROM_WORKFLOWS} WHERE workflow.name = $1 ORDER BY version DESC`,
    [name],
  );
  return rows.map(toStored);
}

/** A version with its author. */
export interface DatedDefinition extends StoredWorkflowDefinition {
  createdBy: string;
  createdAt: Date;
}

/** The newest versions of a workflow, newest first, at most `limit`. */
async function selectHistory(sql: Sql, name: string, limit: number): Promise<DatedDefinition[]> {
  const { rows } = await sql.query<DefinitionRow & { createdBy: string; createdAt: Date }>(
    `SELECT workflow_id, version, definition, created_by AS "createdBy",
            workflow_definition.created_at AS "createdAt"
       FROM workflow JOIN workflow_definition USING (workflow_id)
      WHERE workflow.name = $1 ORDER BY version DESC LIMIT $2`,
    [name, limit],
  );
  return rows.map(({ createdBy, createdAt, ...row }) => ({ ...toStored(row), createdBy, createdAt }));
}

/** The current version of every workflow, by name. */
async function selectCurrentDefinitions(sql: Sql): Promise<StoredWorkflowDefinition[]> {
  const { rows } = await sql.query<DefinitionRow>(
    `${FROM_WORKFLOWS} WHERE version = current_version ORDER BY workflow.name`,
  );
  return rows.map(toStored);
}

/** For each identifier, the latest definition that has it: later versions may have dropped it. */
async function selectLatestIdentifiers(
  sql: Sql,
  workflowId: number,
): Promise<Pick<IdentifierDefinition, 'name' | 'unique' | 'caseInsensitive'>[]> {
  const { rows } = await sql.query<Pick<IdentifierDefinition, 'name' | 'unique' | 'caseInsensitive'>>(
    `SELECT DISTINCT ON (identifier ->> 'name') identifier ->> 'name' AS name,
            (identifier ->> 'unique')::boolean AS unique,
            coalesce((identifier ->> 'caseInsensitive')::boolean, false) AS "caseInsensitive"
       FROM workflow_definition, json_array_elements(definition -> 'identifiers') AS identifier
      WHERE workflow_id = $1
      ORDER BY identifier ->> 'name', version DESC`,
    [workflowId],
  );
  return rows;
}

function toStored({ workflow_id, version, definition }: DefinitionRow): StoredWorkflowDefinition {
  return { workflowId: workflow_id, version, definition };
}

type WebhookBehavior = Extract<BehaviorDefinition, { kind: 'webhook' }>;

/** The definition with changed webhooks. */
function withWebhooks<Definition extends WorkflowDefinition>(
  definition: Definition,
  change: (webhook: WebhookBehavior) => WebhookBehavior,
): Definition {
  const steps = definition.steps.map((step) => ({
    ...step,
    actions: step.actions.map((action) => ({
      ...action,
      ...(action.behaviors !== undefined && {
        behaviors: action.behaviors.map((behavior) =>
          behavior.kind === 'webhook' ? change(behavior) : behavior,
        ),
      }),
    })),
  }));
  return { ...definition, steps };
}

/** The definition without secrets: permission to read a definition does not include permission to sign in our name. */
export function hideSecrets<Definition extends WorkflowDefinition>(definition: Definition): Definition {
  return withWebhooks(definition, (webhook) =>
    webhook.secret === undefined ? webhook : { ...webhook, secret: HIDDEN_SECRET },
  );
}

/** The definition as it is stored: for many receivers the URL is a secret, too. */
export function sealSecrets(definition: WorkflowDefinition, box: SecretBox): WorkflowDefinition {
  return withWebhooks(definition, (webhook) => ({
    ...webhook,
    url: box.seal(webhook.url),
    ...(webhook.secret !== undefined && { secret: box.seal(webhook.secret) }),
  }));
}

/** The stored definition with its URLs, and its secrets if they are to be edited. Deliveries open secrets themselves. */
function openSecrets(
  definition: WorkflowDefinition,
  box: SecretBox,
  { forEditing }: { forEditing: boolean },
): WorkflowDefinition {
  return withWebhooks(definition, (webhook) => ({
    ...webhook,
    url: box.open(webhook.url),
    ...(forEditing && webhook.secret !== undefined && { secret: box.open(webhook.secret) }),
  }));
}

/** Whether all secrets of the stored definition are encrypted with the key that new ones get. */
export function isSealed(definition: WorkflowDefinition, box: SecretBox): boolean {
  let sealed = true;
  withWebhooks(definition, (webhook) => {
    sealed &&= [webhook.url, webhook.secret].every((text) => text === undefined || box.isCurrent(text));
    return webhook;
  });
  return sealed;
}
