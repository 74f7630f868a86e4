import type { JsonObject } from '../../common/json.js';
import { compileJsonSchema } from '../../common/json-schema.js';
import type { RecordError } from '../../targets/target.js';
import type { ActionRule } from '../definition.js';
import { keptPointer, rowError } from './row-errors.js';

/** Why the rules refuse a row, given as `understoodRow` makes it; `null` if they do not. */
export type RuleCheck = (row: JsonObject) => RecordError | null;

/**
 * Makes the conditional rules of an action ready for many rows; `null` if there are none, so that rows of such actions
 * cost nothing. A row is told of the first rule it breaks.
 */
export function compileRules(rules: readonly ActionRule[] = []): RuleCheck | null {
  if (rules.length === 0) return null;
  const compiled = rules.map(({ when, require, message }) => ({
    unlike: compileJsonSchema(when),
    violates: compileJsonSchema(require),
    message,
  }));
  return (row) => {
    for (const { unlike, violates, message } of compiled) {
      if (unlike(row) !== null) continue;
      const violation = violates(row);
      if (violation !== null) return ruleViolated(message, violation.pointer);
    }
    return null;
  };
}

/** The whole row is what an empty pointer means. */
function ruleViolated(message: string, pointer: string): RecordError {
  return rowError('rule_violated', message, pointer === '' ? undefined : keptPointer(pointer));
}
