import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import { foldedForm, normalForm } from '../workflows/rows/row-reader.js';

/** Stands in the place of an erased value. */
export const ERASED = '[erased]';
/** The payload of a record whose data was erased. The doctor knows it, too. */
export const ERASED_PAYLOAD = '{"_erased":true}';

const SHORTEST_DISTINCTIVE = 8;
const NOT_PART_BEFORE = String.raw`(?<![\p{L}\p{N}._%+-])`;
/** A longer domain is another address, but a file name may end with the value. */
const NOT_PART_AFTER = String.raw`(?![\p{L}\p{N}_-]|[.@](?!(?:csv|json|jsonl|ndjson|ods|tsv|txt|xlsx)\b)[\p{L}\p{N}])`;

/** The identifier that a person is searched by. */
export interface PersonIdentifier {
  name: string;
  value: string;
}

/**
 * Finds a person in texts. A value such as an e-mail address stands for the person wherever it is. A short one, such as
 * "7", does so only as the value of its own identifier: elsewhere it would find others.
 */
export class Person {
  /** The value as `workflow_identifier` holds it, one for identifiers that ignore case and one for others. */
  readonly identifierValues: readonly string[];
  /** For ILIKE: each text that may hold the value matches one of them. */
  readonly patterns: readonly string[];
  readonly isDistinctive: boolean;
  private readonly anywhere: RegExp;
  private readonly member: RegExp;

  constructor(readonly identifier: PersonIdentifier) {
    const value = normalForm(identifier.value);
    this.identifierValues = [...new Set([value, foldedForm(value)])];
    this.isDistinctive = value.includes('@') || value.length >= SHORTEST_DISTINCTIVE;
    const forms = writtenForms(value);
    this.patterns = forms.map((form) => `%${form.replace(/[\\%_]/g, (sign) => `\\${sign}`)}%`);
    const alternatives = forms.map(escapeRegExp).join('|');
    const name = writtenForms(identifier.name).map(escapeRegExp).join('|');
    this.anywhere = new RegExp(`${NOT_PART_BEFORE}(?:${alternatives})${NOT_PART_AFTER}`, 'giu');
    this.member = new RegExp(
      `"(?:${name})"\\s*:\\s*(?:"\\s*(?:${alternatives})\\s*"|(?:${alternatives})(?=\\s*[,}]))`,
      'iu',
    );
  }

  /** Whether the text, which may be JSON, holds the value. */
  isIn(text: string): boolean {
    if (this.isDistinctive && text.search(this.anywhere) !== -1) return true;
    return this.member.test(text);
  }

  /** The text without the value. JSON stays JSON. */
  removedFrom(text: string): string {
    return this.isDistinctive ? text.replace(this.anywhere, ERASED) : text;
  }
}

/** How JSON texts and plain texts may write a value. */
function writtenForms(value: string): string[] {
  const forms = [value, value.normalize('NFD')].flatMap((form) => {
    const json = JSON.stringify(form).slice(1, -1);
    const ascii = json.replace(
      /[^\x20-\x7e]/g,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    return [form, json, ascii, json.replaceAll('/', '\\/')];
  });
  return [...new Set(forms)];
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, (sign) => `\\${sign}`);
}

/** A row with all values replaced; texts that are not JSON objects become the payload of an erased record. */
export function anonymizedRow(payload: string): string {
  try {
    const row: unknown = JSON.parse(payload);
    if (typeof row !== 'object' || row === null || Array.isArray(row)) return ERASED_PAYLOAD;
    const replaced = Object.entries(row as JsonObject).map(([name, value]) => [name, replacement(value)]);
    return JSON.stringify(Object.fromEntries(replaced));
  } catch {
    return ERASED_PAYLOAD;
  }
}

/** `null` stays, because it reveals only that there was no value. */
const replacement = (value: JsonValue): JsonValue => (value === null ? null : ERASED);
