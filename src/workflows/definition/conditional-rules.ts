import type { ProblemDetail } from '../../platform/domain-error.js';
import { jsonSchemaProblems } from '../../platform/json/json-schema-problems.js';
import { jsonPointer } from '../../platform/wording.js';
import { type JsonObject, type JsonValue } from '../../platform/json/json-value.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN } from '../rows/action-plan.js';
import { hint, isObject, listOf } from './definition-parts.js';

/**
 * Mistakes in the conditional rules of an action: invalid schemas, and columns that a row of the action cannot have,
 * because no row could ever break a rule about such a column. Parts of the wrong shape are skipped.
 */
export function conditionalRuleProblems(
  action: JsonObject,
  pointer: string,
  identifiers: readonly { value: JsonObject }[],
): ProblemDetail[] {
  const columns = [
    ...[ACTION_ID_COLUMN, ACTION_NAME_COLUMN],
    ...identifiers.flatMap(({ value: { name } }) => (typeof name === 'string' ? [name] : [])),
    ...textsIn(action.inputs),
  ];
  return listOf(action.rules).flatMap((rule, index) =>
    (['when', 'require'] as const).flatMap((member) => {
      const schema = isObject(rule) ? rule[member] : undefined;
      return isObject(schema) ? schemaProblems(schema, `${pointer}/rules/${index}/${member}`, columns) : [];
    }),
  );
}

function schemaProblems(schema: JsonObject, place: string, columns: readonly string[]): ProblemDetail[] {
  const wrong = jsonSchemaProblems(schema).map((problem) => ({
    ...problem,
    pointer: `${place}${problem.pointer}`,
  }));
  const unknown = namedColumns(schema, place).filter(({ name }) => !columns.includes(name));
  return [...wrong, ...unknown.map(({ name, pointer }) => unknownColumn(name, pointer, columns))];
}

function unknownColumn(name: string, pointer: string, columns: readonly string[]): ProblemDetail {
  const message = `"${name}" is neither an identifier nor an input of the action, so no row has it${hint(name, columns)}`;
  return { pointer, code: 'unknown_column', message };
}

/** `jsonSchemaProblems` refuses schemas that are nested more deeply. */
const DEEPEST_LEVEL = 200;

/**
 * Every column that a schema of a row names, including its subschemas. It does not follow `$ref`, whose target may
 * describe a value instead of a row.
 */
function namedColumns(schema: JsonObject, place: string, level = 0): { name: string; pointer: string }[] {
  if (level > DEEPEST_LEVEL) return [];
  const at = (...path: (string | number)[]) => `${place}${jsonPointer(...path)}`;
  const named = (name: JsonValue, ...path: (string | number)[]) =>
    typeof name === 'string' ? [{ name, pointer: at(...path) }] : [];
  const within = (nested: JsonValue | undefined, ...path: (string | number)[]) =>
    isObject(nested) ? namedColumns(nested, at(...path), level + 1) : [];
  return [
    ...membersOf(schema.properties).flatMap(([name]) => named(name, 'properties', name)),
    ...listOf(schema.required).flatMap((name, index) => named(name, 'required', index)),
    ...membersOf(schema.dependentRequired).flatMap(([name, others]) => [
      ...named(name, 'dependentRequired', name),
      ...listOf(others).flatMap((other, index) => named(other, 'dependentRequired', name, index)),
    ]),
    ...membersOf(schema.dependentSchemas).flatMap(([name, nested]) => [
      ...named(name, 'dependentSchemas', name),
      ...within(nested, 'dependentSchemas', name),
    ]),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((keyword) =>
      listOf(schema[keyword]).flatMap((nested, index) => within(nested, keyword, index)),
    ),
    ...['if', 'then', 'else', 'not'].flatMap((keyword) => within(schema[keyword], keyword)),
  ];
}

function membersOf(value: JsonValue | undefined): [string, JsonValue][] {
  return isObject(value) ? Object.entries(value) : [];
}

function textsIn(value: JsonValue | undefined): string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}
