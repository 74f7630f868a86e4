import type { JsonObject, JsonValue } from '../../common/json.js';
import { ACTION_ID_COLUMN, ACTION_NAME_COLUMN, type ActionPlan } from './action-plan.js';
import type { InputValue } from './parsed-row.js';

/**
 * A row as its action understands it, which is what conditional rules are about: the same whether it came as CSV, where
 * every cell is a text, or as JSON. Inputs have their canonical values, a Numeric is always a number, and what is to be
 * cleared is not there; identifiers are as written, the columns that name the action as sent.
 * @param written one place for each identifier of the plan
 */
export function understoodRow(
  row: JsonObject,
  plan: ActionPlan,
  written: readonly (string | undefined)[],
  values: readonly InputValue[],
): JsonObject {
  const members: [string, JsonValue][] = [];
  for (const name of [ACTION_ID_COLUMN, ACTION_NAME_COLUMN]) {
    const value = row[name] ?? '';
    if (value !== '') members.push([name, value]);
  }
  for (const [index, reader] of plan.identifiers.entries()) {
    const text = written[index];
    if (text !== undefined) members.push([reader.name, text]);
  }
  for (const { name, value } of values) {
    if (value !== null) members.push([name, isNumeric(plan, name) ? Number(value) : value]);
  }
  return Object.fromEntries(members);
}

function isNumeric(plan: ActionPlan, name: string): boolean {
  const column = plan.columns.get(name);
  return column?.kind === 'input' && column.attribute.type === 'Numeric';
}
