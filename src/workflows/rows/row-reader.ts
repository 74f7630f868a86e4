import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { isUnnamedColumn, KeyHasher, trimEnds } from '../../records/rows.js';
import {
  type FieldChange,
  type KeyHash,
  type LineBlock,
  MOST_ERRORS,
  type PlainCheck,
  type RecordError,
} from '../../records/target.js';
import type { ActionDefinition, IdentifierDefinition } from '../definition.js';
import {
  ACTION_ID_COLUMN,
  ACTION_NAME_COLUMN,
  type ActionChoice,
  type ActionPlan,
  type InputColumn,
} from './action-plan.js';
import { EMAIL_PATTERN, isAsciiEmail, isEmail } from './values/attribute-values.js';
import {
  columnError,
  lengthError,
  NumberText,
  readText,
  quoted,
  RowSource,
  shortened,
  shown,
  ValueError,
  type ValueType,
  rowError,
} from './values/value-type.js';

/**
 * An identifier and its value as one text: the ordering key of the rows that have it. Values cannot contain NUL, so no
 * two keys collide.
 * @param value in normalized form
 */
export function identifierKey(name: string, value: string): string {
  return `${name}\u0000${value}`;
}

/**
 * In characters. Together with a name of 200 characters, a value of this length stays below the limit of an entry in a
 * PostgreSQL index (2,704 bytes) in any script.
 */
const LONGEST_IDENTIFIER = 400;

const NOT_AN_EMAIL = new ValueError(
  'not_an_email',
  'must be one e-mail address, for example ada@example.org',
);

/** Cells whose formula failed. As an identifier, such a value would merge different people into one. */
const SPREADSHEET_ERROR = /^#(N\/A|REF!|VALUE!|NAME\?|DIV\/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|GETTING_DATA)$/i;
const NOT_AN_IDENTIFIER = new ValueError(
  'spreadsheet_error',
  'is the error value of a spreadsheet, which identifies nothing; correct the cell',
);

/** Texts of characters below U+0300 are in Unicode NFC. */
const SURELY_NFC = /^[\u0000-\u02ff]*$/;

/** The form in which identifiers are compared: trimmed, in Unicode NFC, with upper and lower case. */
export function normalForm(written: string): string {
  const trimmed = trimEnds(written);
  return SURELY_NFC.test(trimmed) ? trimmed : trimmed.normalize('NFC');
}

/** The same form for identifiers that are case-insensitive. */
export function foldedForm(written: string): string {
  const form = normalForm(written);
  const lower = form.toLowerCase();
  return lower === form ? form : normalForm(lower);
}

/** Reads the values of one identifier column. */
export class IdentifierReader {
  readonly name: string;
  readonly unique: boolean;
  /** JSON Schema of the values that `read` accepts. */
  readonly schema: JsonObject;
  readonly form: string;
  readonly example: string;
  private readonly numbers: NumberText;

  constructor(private readonly definition: IdentifierDefinition) {
    this.name = definition.name;
    this.unique = definition.unique;
    this.numbers = new NumberText(definition.name);
    const isAddress = definition.format === 'email';
    this.schema = isAddress
      ? { type: 'string', maxLength: 254, pattern: EMAIL_PATTERN }
      : { type: ['string', 'number', 'boolean'], maxLength: LONGEST_IDENTIFIER, pattern: '\\S' };
    this.form = isAddress
      ? 'E-mail address that identifies what the row is about'
      : 'Value that identifies what the row is about';
    this.example = isAddress ? 'ada@example.org' : 'A-1001';
  }

  /**
   * Returns the identifier as written, without white space and invisible characters at its ends; `''` if nothing is left.
   */
  read(value: JsonValue, source: RowSource): string | ValueError {
    const text = value === null ? '' : readText(value, this.numbers, source);
    if (typeof text !== 'string') return text;
    const written = trimEnds(text);
    if (written === '') return '';
    if (SPREADSHEET_ERROR.test(written)) return NOT_AN_IDENTIFIER;
    if (this.definition.format === 'email' && !isEmail(written)) return NOT_AN_EMAIL;
    return lengthError(written, LONGEST_IDENTIFIER) ?? written;
  }

  /** The normalized form that finds the instance. */
  fold(written: string): string {
    return this.definition.caseInsensitive === true ? foldedForm(written) : normalForm(written);
  }

  /** A check of its own for each shape of rows, because it remembers the last value. */
  plainCheck(optional: boolean): PlainCheck {
    return new IdentifierCheck(this.definition, optional);
  }

  identify(written: string): IdentifierValue {
    const { name, unique } = this;
    const value = this.fold(written);
    return { name, value, written, unique, key: identifierKey(name, value) };
  }
}

/** Checks values of an identifier and hashes them as `identifierKey` and `fold` would have them. */
class IdentifierCheck implements PlainCheck {
  key: KeyHash | null = null;
  private readonly hasher: KeyHasher;
  private readonly isAddress: boolean;
  private readonly isFolded: boolean;

  constructor(
    { name, format, caseInsensitive }: IdentifierDefinition,
    /** Whether rows may lack the identifier. */
    private readonly optional: boolean,
  ) {
    this.hasher = new KeyHasher(identifierKey(name, ''));
    this.isAddress = format === 'email';
    this.isFolded = caseInsensitive === true;
  }

  accepts({ bytes }: LineBlock, start: number, end: number, isText: boolean): boolean {
    this.key = null;
    if (end === start) return this.optional;
    if (end - start > LONGEST_IDENTIFIER || !isVisible(bytes[start]) || !isVisible(bytes[end - 1]))
      return false;
    // It may be the error value of a spreadsheet.
    if (bytes[start] === NUMBER_SIGN) return false;
    if (this.isAddress && !(isText && isAsciiEmail(bytes, start, end))) return false;
    if (!this.hasher.read(bytes, start, end, this.isFolded)) return false;
    this.key = this.hasher;
    return true;
  }
}

const NUMBER_SIGN = 0x23;

function isVisible(byte = 0): boolean {
  return byte > 0x20 && byte < 0x7f;
}

/** Checks values of an input. */
class InputCheck implements PlainCheck {
  constructor(
    private readonly type: ValueType,
    private readonly required: boolean,
  ) {}

  accepts({ bytes, ascii }: LineBlock, start: number, end: number, isText: boolean): boolean {
    if (start === end) return !this.required;
    if (this.type.acceptsPlain?.(bytes, start, end, isText) === true) return true;
    const text = ascii === null ? bytes.toString('utf8', start, end) : ascii.slice(start, end);
    const parsed = this.type.parse(isText ? text : Number(text), NO_ESCAPES);
    return parsed === null ? !this.required : !(parsed instanceof ValueError);
  }
}

/** The source of a row whose whole numbers are written as `String` writes them. */
const NO_ESCAPES = new RowSource('{}');

/**
 * The checks of rows with these names that name no action. They accept only rows that `readRow` accepts, too. `null`: such
 * rows must be read.
 */
export function plainChecks(names: readonly string[], choice: ActionChoice): PlainCheck[] | null {
  const plan = choice.preset;
  if (plan === null || plan.violates !== null) return null;
  const checks: PlainCheck[] = [];
  let requiredSeen = 0;
  let isIdentified = false;
  for (const name of names) {
    const column = plan.columns.get(name);
    if (column?.kind === 'identifier') {
      // One of the identifiers must have a value; rows that lack the first one are read.
      checks.push(column.reader.plainCheck(isIdentified));
      isIdentified = true;
    } else if (column?.kind === 'input') {
      checks.push(new InputCheck(column.type, column.required));
      if (column.required) requiredSeen += 1;
    } else return null;
  }
  const mustBeIdentified = choice.identifierNeeded === 'always' && plan.identifiers.length > 0;
  return requiredSeen < plan.requiredCount || (mustBeIdentified && !isIdentified) ? null : checks;
}

/** One identifier of a row. */
export interface IdentifierValue {
  /** Begins with a colon, for example `:Email`. */
  name: string;
  /** The normalized value that finds the instance. */
  value: string;
  /** The value as the row has it. */
  written: string;
  /** At most one instance of the workflow can carry `value`. */
  unique: boolean;
  /** Name and value, as `identifierKey` joins them. It is asked for many times. */
  key: string;
}

/** An action and its step. */
export interface StepAction extends ActionDefinition {
  step: string;
}

/** A row that passed every check that needs no instance: its action, its identifiers and its values. */
export interface ParsedRow {
  /** 1-based line of the batch. */
  line: number;
  action: StepAction;
  /** The identifiers that the row has, in the definition's order; they are tried in this order. */
  identifiers: readonly IdentifierValue[];
  /**
   * The canonical value of each input that the row has, as the change that it is for a new instance; `after: null` clears
   * the attribute. The attribute of an absent input does not change. Two rows have the same value exactly if these values are deeply equal. A Numeric is a number, or a
   * decimal string if a number cannot hold it.
   */
  values: readonly FieldChange[];
}

export type RowResult = { row: ParsedRow; error?: undefined } | { row?: undefined; error: RecordError };

/**
 * A row as its action understands it, for conditional rules. It is the same for CSV, where every cell is text, and for
 * JSON. Inputs have their canonical values, a Numeric is always a number, and cleared values are absent. Identifiers
 * keep their spelling, and the columns that name the action keep the values of the row.
 * Why: ADR 7.
 * @param written one place for each identifier of the plan
 */
function understoodRow(
  row: JsonObject,
  plan: ActionPlan,
  written: readonly (string | undefined)[],
  values: readonly FieldChange[],
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
  for (const { field, after } of values) {
    if (after !== null) members.push([field, isNumeric(plan, field) ? Number(after) : after]);
  }
  return Object.fromEntries(members);
}

function isNumeric(plan: ActionPlan, name: string): boolean {
  const column = plan.columns.get(name);
  return column?.kind === 'input' && column.attribute.type === 'Numeric';
}

/** A row whose columns have all been read. `written` has a place for each identifier of the definition. */
export interface ReadRow {
  error: null;
  plan: ActionPlan;
  written: readonly (string | undefined)[];
}

/** A row that its action refuses. */
export interface RefusedRow {
  error: RecordError;
  /** All errors, of which `error` is the first; absent if it is the only one. */
  errors?: readonly RecordError[];
}

/**
 * Reads a row by the rules of its action. Pass 1 and pass 2 both use this function, so they cannot disagree. It runs
 * for every line while a body streams in, so it allocates nothing for errors before one occurs.
 * @param values receives the canonical values of the inputs; `null` if only the verdict is needed
 */
export function readRow(
  row: JsonObject,
  raw: string,
  choice: ActionChoice,
  values: FieldChange[] | null,
): ReadRow | RefusedRow {
  const chosen = choice.choose(row);
  if (chosen.error !== undefined) return chosen;
  const { plan } = chosen;
  const read = values ?? (plan.violates === null ? null : []);
  const source = new RowSource(raw);
  const written: (string | undefined)[] = new Array<string | undefined>(plan.identifiers.length);
  let requiredSeen = 0;
  let errors: RecordError[] | null = null;
  let blank: string | null = null;
  let isIdentified = false;
  for (const name of Object.keys(row)) {
    const column = plan.columns.get(name);
    const value = row[name] ?? null;
    if (column === undefined) {
      if (value === '' && isUnnamedColumn(name)) continue;
      errors = withError(errors, unknownColumn(name, plan));
      continue;
    }
    if (column.kind === 'input') {
      const parsed = value === null || value === '' ? null : column.type.parse(value, source);
      if (column.required) requiredSeen += 1;
      if (parsed instanceof ValueError) errors = withError(errors, describe(parsed, name, value, source));
      else if (column.required && parsed === null) errors = withError(errors, missing(column));
      else read?.push({ field: name, before: null, after: parsed });
    } else if (column.kind === 'identifier') {
      const text = column.reader.read(value, source);
      if (typeof text !== 'string') errors = withError(errors, describe(text, name, value, source));
      else if (text === '') blank ??= name;
      else written[column.index] = text;
      isIdentified ||= text !== '';
    }
  }
  // A blank identifier beside another one means that the row has none of that kind.
  const { identifierNeeded } = choice;
  const mustBe = identifierNeeded === 'if stated' ? blank !== null : identifierNeeded === 'always';
  if (!isIdentified && mustBe && plan.identifiers.length > 0) {
    errors = withError(errors, noIdentifier(blank, plan));
  }
  if (requiredSeen < plan.requiredCount) errors = withMissing(errors, row, plan);
  const [first] = errors ?? [];
  if (errors !== null && first !== undefined) return { error: first, errors };
  const broken = plan.violates?.(understoodRow(row, plan, written, read ?? [])) ?? null;
  return broken === null ? { error: null, plan, written } : { error: broken };
}

function withError(errors: RecordError[] | null, error: RecordError): RecordError[] {
  if (errors === null) return [error];
  if (errors.length < MOST_ERRORS) errors.push(error);
  return errors;
}

function withMissing(errors: RecordError[] | null, row: JsonObject, plan: ActionPlan): RecordError[] | null {
  let all = errors;
  for (const input of plan.inputs) {
    if (input.required && !Object.hasOwn(row, input.attribute.name)) all = withError(all, missing(input));
  }
  return all;
}

/** @param blank the first identifier column of the row; `null` if it has none */
function noIdentifier(blank: string | null, plan: ActionPlan): RecordError {
  if (blank !== null) {
    const rule =
      'has no value, and neither has any other identifier: one of them must say which one the row means';
    return columnError(blank, 'no_identifier', rule);
  }
  const names = plan.identifiers.map(({ name }) => name).join(', ');
  return rowError('no_identifier', `the row has no identifier: give a value for one of ${names}`);
}

function unknownColumn(name: string, plan: ActionPlan): RecordError {
  const rule = `is neither an identifier nor an input of the action ${quoted(plan.action.name)}.${plan.columnHint(name)}`;
  return columnError(name, 'unknown_column', rule);
}

function missing({ attribute, type }: InputColumn): RecordError {
  return columnError(attribute.name, 'required', `is required and must have a value: ${type.form}`);
}

function describe(error: ValueError, column: string, value: JsonValue, source: RowSource): RecordError {
  const { code, rule, showsFound, hint } = error;
  if (!showsFound) return columnError(column, code, `${rule}${hint}`);
  const found = typeof value === 'number' ? shortened(source.numberText(column, value)) : shown(value);
  return columnError(column, code, `${rule}; found ${found}`);
}
