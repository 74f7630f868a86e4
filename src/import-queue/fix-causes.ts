import type { Replacement } from '../batches/fix-drafts.sql.js';
import { cellText, jsonMembers } from '../formats/json/json-members.js';
import type { RecordError } from '../records/target.js';

/** Why failed rows fail, grouped so that one answer fixes all rows of a group. */
export interface FixCause {
  code: string;
  /** `null` for an error of the whole row. */
  field: string | null;
  /** The value that all rows of the group have; `null` if the values differ. */
  value: string | null;
  /** Of the first row. */
  message: string;
  count: number;
  sampleLine: number;
}

/** Values that the checks know a better one for. */
export interface FixSuggestion {
  field: string;
  to: string;
  replacements: Replacement[];
  count: number;
}

/** Groups that are counted separately. Further ones are left out, so that a file of random values fills no memory. */
const MOST_CAUSES = 2000;
const LONGEST_VALUE = 200;
/** Values of one field with the same error that are shown one by one. */
const FEW_VALUES = 3;

/** Counts the causes of failed rows. */
export class FixCauses {
  private readonly causes = new Map<string, FixCause>();

  add(line: number, payload: string, error: RecordError): void {
    const field = fieldOf(error.pointer);
    const text = field === null ? null : (cellText(jsonMembers(payload).get(field)) ?? '');
    const value = text !== null && text.length <= LONGEST_VALUE ? text : null;
    const key = JSON.stringify([error.code, field, value]);
    const known = this.causes.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.causes.size < MOST_CAUSES) {
      const { code, message } = error;
      this.causes.set(key, { code, field, value, message, count: 1, sampleLine: line });
    }
  }

  /** Most frequent first. Rare values of one field become one cause, of which no value is known. */
  all(limit: number): FixCause[] {
    const byField = Map.groupBy(this.causes.values(), ({ code, field }) => JSON.stringify([code, field]));
    return [...byField.values()]
      .flatMap(withRareOnesTogether)
      .sort((a, b) => b.count - a.count || a.sampleLine - b.sampleLine)
      .slice(0, limit);
  }

  /** For each value that a check suggests, the values that it was suggested for. */
  suggestions(limit: number): FixSuggestion[] {
    const found = new Map<string, FixSuggestion>();
    for (const { field, value, message, count } of this.causes.values()) {
      const to = suggestionIn(message);
      if (field === null || value === null || to === null) continue;
      const key = JSON.stringify([field, to]);
      const suggestion = found.get(key) ?? { field, to, replacements: [], count: 0 };
      suggestion.replacements.push({ field, from: value, to });
      suggestion.count += count;
      found.set(key, suggestion);
    }
    return [...found.values()].sort((a, b) => b.count - a.count).slice(0, limit);
  }
}

function withRareOnesTogether(causes: FixCause[]): FixCause[] {
  const sorted = [...causes].sort((a, b) => b.count - a.count);
  if (sorted.length <= FEW_VALUES) return sorted;
  const frequent = sorted.slice(0, FEW_VALUES).filter(({ count }) => count > 1);
  const [first, ...others] = sorted.slice(frequent.length);
  if (first === undefined) return frequent;
  const count = others.reduce((sum, cause) => sum + cause.count, first.count);
  return [...frequent, { ...first, value: null, count }];
}

/** The value in a sentence such as `Did you mean "Fellow"?`; `null` without one. */
function suggestionIn(message: string): string | null {
  const quoted = /Did you mean ("(?:[^"\\]|\\.)*")\?/.exec(message)?.[1];
  if (quoted === undefined) return null;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return null;
  }
}

/** The field that a pointer leads to or into; `null` without one. */
export function fieldOf(pointer: string | undefined): string | null {
  const step = pointer?.split('/')[1];
  return step === undefined ? null : step.replaceAll('~1', '/').replaceAll('~0', '~');
}
