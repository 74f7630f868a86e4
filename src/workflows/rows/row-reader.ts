import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import type { RecordError } from '../../records/target.js';
import { isUnnamedColumn } from '../../records/unnamed-column.js';
import {
  ACTION_ID_COLUMN,
  ACTION_NAME_COLUMN,
  type ActionChoice,
  type ActionPlan,
  type InputColumn,
} from './action-plan.js';
import type { InputValue } from './parsed-row.js';
import { columnError, quoted, shortened, shown } from './values/row-errors.js';
import { RowSource } from './values/row-source.js';
import { ValueError } from './values/value-type.js';

/**
 * A row as its action understands it, for conditional rules: the same whether it came as CSV, where every cell is text, or
 * as JSON. Inputs have their canonical values, a Numeric is always a number, and cleared values are absent; identifiers
 * are as written, and the columns that name the action as sent.
 * Why: ADR 7.
 * @param written one place for each identifier of the plan
 */
function understoodRow(
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

/** A row whose columns were all read. `written` has a place for each identifier of the definition. */
export interface ReadRow {
  error: null;
  plan: ActionPlan;
  written: readonly (string | undefined)[];
}

/**
 * Reads a row by the rules of its action. Pass 1 and pass 2 both use it, so they cannot disagree. It runs for every line
 * while a body streams in, so it allocates nothing for errors before there is one.
 * @param values receives the canonical values of the inputs; `null` if only the verdict is needed
 */
export function readRow(
  row: JsonObject,
  raw: string,
  choice: ActionChoice,
  values: InputValue[] | null,
): ReadRow | { error: RecordError } {
  const chosen = choice.choose(row);
  if (chosen.error !== undefined) return chosen;
  const { plan } = chosen;
  const read = values ?? (plan.violates === null ? null : []);
  const source = new RowSource(raw);
  const written: (string | undefined)[] = new Array<string | undefined>(plan.identifiers.length);
  let requiredSeen = 0;
  for (const name of Object.keys(row)) {
    const column = plan.columns.get(name);
    const value = row[name] ?? null;
    if (column === undefined) {
      if (value === '' && isUnnamedColumn(name)) continue;
      return { error: unknownColumn(name, plan) };
    }
    if (column.kind === 'input') {
      const parsed = value === null || value === '' ? null : column.type.parse(value, source);
      if (parsed instanceof ValueError) return { error: describe(parsed, name, value, source) };
      if (column.required) {
        if (parsed === null) return { error: missing(column) };
        requiredSeen += 1;
      }
      read?.push({ name, value: parsed });
    } else if (column.kind === 'identifier') {
      const text = column.reader.read(value, source);
      if (typeof text !== 'string') return { error: describe(text, name, value, source) };
      written[column.index] = text;
    }
  }
  if (requiredSeen < plan.requiredCount) return { error: firstMissing(row, plan) };
  const broken = plan.violates?.(understoodRow(row, plan, written, read ?? [])) ?? null;
  return broken === null ? { error: null, plan, written } : { error: broken };
}

function unknownColumn(name: string, plan: ActionPlan): RecordError {
  const rule = `is neither an identifier nor an input of the action ${quoted(plan.action.name)}.${plan.columnHint(name)}`;
  return columnError(name, 'unknown_column', rule);
}

function missing({ attribute, type }: InputColumn): RecordError {
  return columnError(attribute.name, 'required', `is required and must have a value: ${type.form}`);
}

function firstMissing(row: JsonObject, plan: ActionPlan): RecordError {
  const input = plan.inputs.find(
    ({ attribute, required }) => required && !Object.hasOwn(row, attribute.name),
  );
  if (input === undefined) throw new Error(`action "${plan.action.name}" counts its required inputs wrongly`);
  return missing(input);
}

function describe(error: ValueError, column: string, value: JsonValue, source: RowSource): RecordError {
  const { code, rule, showsFound, hint } = error;
  if (!showsFound) return columnError(column, code, `${rule}${hint}`);
  const found = typeof value === 'number' ? shortened(source.numberText(column, value)) : shown(value);
  return columnError(column, code, `${rule}; found ${found}`);
}
