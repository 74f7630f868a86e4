import type { Sql } from '../database/transaction.js';
import type { IdentifierDefinition } from './definition.js';

/**
 * Identifiers of the definition by which instances are found already, and which it would compare in another way than
 * those were stored in: they would not be found any more, and be made once more.
 */
export async function identifiersComparedOtherwise(
  sql: Sql,
  workflowId: number,
  identifiers: readonly IdentifierDefinition[],
): Promise<string[]> {
  const { rows } = await sql.query<IdentifierDefinition>(LATEST, [workflowId]);
  const latest = new Map(rows.map((row) => [row.name, row]));
  const changed = identifiers.filter((identifier) => {
    const before = latest.get(identifier.name);
    return before !== undefined && comparison(before) !== comparison(identifier);
  });
  const names = changed.map(({ name }) => name);
  if (names.length === 0) return [];
  return (await sql.query<{ name: string }>(IN_USE, [workflowId, names])).rows.map(({ name }) => name);
}

const comparison = ({ unique, caseInsensitive = false }: IdentifierDefinition): string =>
  `${unique} ${caseInsensitive}`;

/** Of each name the latest version that has it: an identifier may have been left out meanwhile. */
const LATEST = `
  SELECT DISTINCT ON (identifier ->> 'name') identifier ->> 'name' AS name,
    (identifier ->> 'unique')::boolean AS unique,
    coalesce((identifier ->> 'caseInsensitive')::boolean, false) AS "caseInsensitive"
  FROM workflow_definition, json_array_elements(definition -> 'identifiers') AS identifier
  WHERE workflow_id = $1
  ORDER BY identifier ->> 'name', version DESC`;

const IN_USE = `
  SELECT name FROM unnest($2::text[]) AS changed (name)
  WHERE EXISTS (
    SELECT FROM workflow_identifier WHERE workflow_id = $1 AND workflow_identifier.name = changed.name COLLATE "C")`;
