import type { Sql } from '../../database/transaction.js';
import type { InstanceStatus } from '../entities/workflow-instance.entity.js';
import type { AttributeValue } from './read-attribute.js';

/** An instance as it is stored. */
export interface InstanceRow {
  id: number;
  status: InstanceStatus;
  step: string | null;
  /** JSON text: parsed and written again, a number would lose digits. */
  attributes: string;
  createdAt: Date;
  updatedAt: Date;
}

/** An identifier's name, and its value as instances are found by it. */
export interface IdentifierValue {
  name: string;
  value: string;
}

export interface InstanceSelection {
  workflowId: number;
  order: 'newest first' | 'oldest first';
  /** Only those after this one, in that order. */
  after?: number | undefined;
  id?: number | undefined;
  status?: InstanceStatus | undefined;
  identifier?: IdentifierValue | undefined;
  attribute?: AttributeValue | undefined;
  limit: number;
}

export interface InstanceRows {
  rows: InstanceRow[];
  /** Whether the limit (of instances or bytes) left some out. */
  more: boolean;
}

/** Stored, that is compressed, bytes of one page. It has one instance at least, however large. */
const PAGE_BYTES = 1024 * 1024;

/** One page of instances. pg_column_size of an attribute set reads its header only. */
export async function selectInstances(sql: Sql, selection: InstanceSelection): Promise<InstanceRows> {
  const { workflowId, order, after, id, status, identifier, attribute, limit } = selection;
  const [comparison, direction] = order === 'newest first' ? ['<', 'DESC'] : ['>', 'ASC'];
  const values: unknown[] = [workflowId, limit, PAGE_BYTES];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const conditions = ['i.workflow_id = $1'];
  if (after !== undefined) conditions.push(`i.workflow_instance_id ${comparison} ${parameter(after)}`);
  if (id !== undefined) conditions.push(`i.workflow_instance_id = ${parameter(id)}`);
  if (status !== undefined) conditions.push(`i.status = ${parameter(status)}`);
  if (attribute !== undefined) {
    const { name, value } = attribute;
    // Contained: a list that has the options, anything else if it is equal.
    if (value === null) conditions.push(`NOT i.attributes ? ${parameter(name)}`);
    else conditions.push(`i.attributes @> ${parameter(JSON.stringify({ [name]: value }))}::jsonb`);
  }
  let source = 'workflow_instance i';
  if (identifier !== undefined) {
    source = 'workflow_identifier d JOIN workflow_instance i USING (workflow_instance_id)';
    conditions.push(
      `d.workflow_id = $1 AND d.name = ${parameter(identifier.name)} AND d.value = ${parameter(identifier.value)}`,
    );
  }
  const { rows } = await sql.query<InstanceRow & { found: number }>(
    `SELECT workflow_instance_id AS id, status, step, attributes::text AS attributes,
            created_at AS "createdAt", updated_at AS "updatedAt", found
       FROM (
         SELECT *, count(*) OVER () AS found,
                sum(pg_column_size(attributes)) OVER (ORDER BY workflow_instance_id ${direction})
                  - pg_column_size(attributes) AS bytes_before
           FROM (
             SELECT i.* FROM ${source} WHERE ${conditions.join(' AND ')}
              ORDER BY i.workflow_instance_id ${direction} LIMIT $2::integer + 1
           ) found
       ) page
      WHERE bytes_before < $3
      ORDER BY workflow_instance_id ${direction} LIMIT $2::integer`,
    values,
  );
  return { rows, more: rows.length < (rows[0]?.found ?? 0) };
}
