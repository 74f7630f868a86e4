import type { JsonObject, JsonValue } from '../../common/json.js';
import { isUnnamedColumn } from '../../common/unnamed-column.js';
import type { RecordError } from '../../targets/target.js';
import type { ActionChoice } from './action-choice.js';
import type { ActionPlan, InputColumn } from './action-plan.js';
import type { InputValue } from './parsed-row.js';
import { columnError, quoted, shortened, shown } from './row-errors.js';
import { RowSource } from './row-source.js';
import { understoodRow } from './understood-row.js';
import { ValueError } from './values/value-error.js';

/** A row whose every column was read. `written` has a place for each identifier of the definition. */
export interface ReadRow {
  error: null;
  plan: ActionPlan;
  written: readonly (string | undefined)[];
}

/**
 * Reads a row by the rules of its action. Pass 1 and pass 2 both come through here, so they cannot disagree.
 * It runs for every line while a body streams in: nothing is made for an error before there is one.
 * @param values where to put the canonical values of the inputs; `null` if only the verdict is wanted
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
