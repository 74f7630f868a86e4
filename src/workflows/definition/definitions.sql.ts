import type { Sql } from '../../platform/database/database.service.js';
import type { IdentifierDefinition, WorkflowDefinition } from '../definition.js';

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
export async function selectDefinition(
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

/** Every version of a workflow, newest first. */
export async function selectVersionsOf(sql: Sql, name: string): Promise<StoredWorkflowDefinition[]> {
  const { rows } = await sql.query<DefinitionRow>(
    `${FROM_WORKFLOWS} WHERE workflow.name = $1 ORDER BY version DESC`,
    [name],
  );
  return rows.map(toStored);
}

/** The current version of every workflow, by name. */
export async function selectCurrentDefinitions(sql: Sql): Promise<StoredWorkflowDefinition[]> {
  const { rows } = await sql.query<DefinitionRow>(
    `${FROM_WORKFLOWS} WHERE version = current_version ORDER BY workflow.name`,
  );
  return rows.map(toStored);
}

/** For each identifier, the latest definition that has it: later versions may have dropped it. */
export async function selectLatestIdentifiers(
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
