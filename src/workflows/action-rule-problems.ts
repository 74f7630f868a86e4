import type { ProblemDetail } from '../common/domain.error.js';
import { jsonPointer } from '../common/json-pointer.js';
import { jsonSchemaProblems } from '../common/json-schema-problems.js';
import type { JsonObject, JsonValue } from '../common/json.js';
import { nearestName } from '../common/nearest-name.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN } from './rows/action-plan.js';

/**
 * What keeps the conditional rules of an action from being checked: schemas that are none, and columns that a row of
 * the action cannot have, since a rule about those would silently never be broken. What is of another shape is skipped.
 */
export function actionRuleProblems(
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
  const refuse = (name: string, where: string): ProblemDetail[] => {
    if (columns.includes(name)) return [];
    const nearest = nearestName(name, columns);
    const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
    const message = `"${name}" is neither an identifier nor an input of the action, so no row has it${hint}`;
    return [{ pointer: `${place}${where}`, code: 'unknown_column', message }];
  };
  return [
    ...wrong,
    ...Object.keys(isObject(schema.properties) ? schema.properties : {}).flatMap((name) =>
      refuse(name, jsonPointer('properties', name)),
    ),
    ...listOf(schema.required).flatMap((name, index) =>
      typeof name === 'string' ? refuse(name, jsonPointer('required', index)) : [],
    ),
  ];
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function textsIn(value: JsonValue | undefined): string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
