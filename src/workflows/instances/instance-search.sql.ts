import type { Sql } from '../../platform/database/database.service.js';
import { invalidParameters } from '../../platform/http/http.errors.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import { nearestName } from '../../platform/wording.js';
import type { AttributeDefinition, IdentifierDefinition, InstanceStatus } from '../definition.js';
import { IdentifierReader } from '../rows/row-reader.js';
import { valueTypeOf } from '../rows/values/attribute-values.js';
import { RowSource, ValueError } from '../rows/values/value-type.js';

/** An instance as the database stores it. */
export interface InstanceRow {
  id: number;
  status: InstanceStatus;
  step: string | null;
  /** JSON text, because a number that is parsed and written again would lose digits. */
  attributes: string;
  createdAt: Date;
  updatedAt: Date;
}

/** An identifier's name, and its value in normalized form. */
interface IdentifierCondition {
  name: string;
  value: string;
}

export interface InstanceSelection {
  workflowId: number;
  order: 'newest first' | 'oldest first';
  /** Only instances after this one, in the order of the selection. */
  after?: number | undefined;
  id?: number | undefined;
  status?: InstanceStatus | undefined;
  identifier?: IdentifierCondition | undefined;
  attribute?: AttributeCondition | undefined;
  limit: number;
}

export interface InstanceRows {
  rows: InstanceRow[];
  /** Whether the limit on instances or bytes left some out. */
  more: boolean;
}

/** Stored (compressed) bytes of one page. A page has at least one instance of any size. */
const PAGE_BYTES = 1024 * 1024;

/** One page of instances. pg_column_size reads only the header of the attributes. */
export async function selectInstancePage(sql: Sql, selection: InstanceSelection): Promise<InstanceRows> {
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
    // Containment matches a list that has all the options, and any other value only if it is equal.
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

/**
 * Reads `:Email:ada@example.org`: an identifier's name, a colon, and the value, which is normalized as the definition
 * requires. If the text begins with several names, the longest one counts.
 * @throws DomainError 400 `invalid_parameter`
 */
export function readIdentifier(
  text: string,
  identifiers: readonly IdentifierDefinition[],
): IdentifierCondition {
  const [meant] = identifiers
    .filter(({ name }) => text.startsWith(`${name}:`) && text.length > name.length + 1)
    .sort((a, b) => b.name.length - a.name.length);
  if (meant === undefined) {
    const names =
      identifiers.map(({ name }) => `${name}:value`).join(', ') || 'this workflow has no identifiers';
    throw invalidParameters([
      {
        parameter: 'identifier',
        code: 'invalid_parameter',
        message: `identifier must be the name of an identifier, a colon and a value: ${names}`,
      },
    ]);
  }
  const value = text.slice(meant.name.length + 1);
  return { name: meant.name, value: new IdentifierReader(meant).fold(value) };
}

/** An attribute and the value to search for; `null` finds instances without a value. */
interface AttributeCondition {
  name: string;
  value: JsonValue;
}

/**
 * Reads `Level:Fellow`: an attribute's name, a colon, and a value as in a CSV cell. If the text begins with several
 * names, the longest one counts. A MultiSelectList matches if it has each of the options.
 * @throws DomainError 400 `invalid_parameter`
 */
export function readAttribute(text: string, attributes: readonly AttributeDefinition[]): AttributeCondition {
  const [meant] = attributes
    .filter(({ name }) => text.startsWith(`${name}:`))
    .sort((a, b) => b.name.length - a.name.length);
  if (meant === undefined) {
    const names = attributes.map(({ name }) => name);
    const nearest = nearestName(text.slice(0, text.lastIndexOf(':')), names);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw invalidAttribute(`attribute must be the name of an attribute, a colon and a value${hint}`);
  }
  const { name } = meant;
  const written = text.slice(name.length + 1);
  if (written === '') return { name, value: null };
  const value = valueTypeOf(meant).parse(written, new RowSource(JSON.stringify({ [name]: written })));
  if (value instanceof ValueError) {
    throw invalidAttribute(`attribute: "${name}" ${value.rule}${value.hint}`.replace(/\.$/, ''));
  }
  return { name, value };
}

function invalidAttribute(message: string) {
  return invalidParameters([{ parameter: 'attribute', code: 'invalid_parameter', message }]);
}
