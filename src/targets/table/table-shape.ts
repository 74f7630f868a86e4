/** A condition on one column that the row schema can express; the database checks all others. */
export interface ReadableCheck {
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  options?: readonly string[];
}

/** One column of a table, as the catalog of its database describes it. */
export interface ColumnShape {
  name: string;
  /** The type as SQL writes it, for people: `character varying(40)`, `crm.mood[]`. */
  type: string;
  /** The type to cast a text to: that of a domain's values, without length and precision, which casts would enforce silently. */
  castType: string;
  /** The name of the type, of the elements if it is an array, in `pg_type`; `enum` for enums; `null` if rows cannot have it. */
  family: string | null;
  isArray: boolean;
  domain: string | null;
  length: number | null;
  precision: number | null;
  scale: number | null;
  options: readonly string[] | null;
  notNull: boolean;
  /** The default as an SQL expression. */
  defaultValue: string | null;
  /** Its values cannot be written: the column is generated, or an identity. */
  isGenerated: boolean;
  /** Whether equal values may be written differently, as in citext or under a collation that ignores case. */
  isFolded: boolean;
  checks: readonly string[];
}

export interface UniqueShape {
  name: string;
  columns: readonly string[];
  isPrimary: boolean;
}

export interface ForeignKeyShape {
  name: string;
  columns: readonly string[];
  schema: string;
  table: string;
  references: readonly string[];
}

/** A constraint and the columns it is about. */
export interface ConstraintShape {
  name: string;
  columns: readonly string[];
  definition: string;
}

/** All of a table that decides how rows get into it. */
export interface TableShape {
  columns: readonly ColumnShape[];
  /** Those that ON CONFLICT can use. */
  uniques: readonly UniqueShape[];
  foreignKeys: readonly ForeignKeyShape[];
  constraints: readonly ConstraintShape[];
}

export interface TableName {
  schema: string;
  table: string;
}

/** SQL that quotes a name. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function relation({ schema, table }: TableName): string {
  return `${identifier(schema)}.${identifier(table)}`;
}

/**
 * The names of the tables of this application, for PostgreSQL and JavaScript alike. Imports never write to them,
 * whatever connection leads there. Families of names are taken as a whole, so that a new table of one is never offered.
 */
export const OWN_TABLES =
  '^((import_queue|import_process|workflow|webhook|fix_draft|upload|outbox|table_shape)(_[a-z0-9_]+)?|account_link|api_key' +
  '|app_user|audit_log|behavior_outbox|idempotency_key|notification|saved_mapping|schema_compatibility|schema_migration' +
  '|user_session)$';

const NUMBER = String.raw`'?(-?[0-9]+(?:\.[0-9]+)?)'?`;
const CAST = String.raw`(?:::[a-z "0-9(),.]+)?`;
const SUBJECT = String.raw`\(*"?([^"()]+?)"?\)*${CAST}\)*`;
const COMPARISON = new RegExp(String.raw`^\(*${SUBJECT} (>=|>|<=|<) \(*${NUMBER}\)*${CAST}\)*$`);
const LENGTH = new RegExp(
  String.raw`^\(*(?:pg_catalog\.)?(?:char_length|character_length|length)\(${SUBJECT} (>=|>|<=|<|=) ([0-9]+)\)*$`,
);
const LIST = new RegExp(String.raw`^\(*${SUBJECT} = ANY \(\(*ARRAY\[(.*)\]\)*(?:::[a-z ]+\[\])?\)*$`);
const ITEM = /'((?:[^']|'')*)'(?:::[a-z "]+(?:\([0-9]+\))?)?(?:, |$)/y;

/**
 * Reads the conditions on the column that a CHECK states by itself: bounds, lengths and lists, joined by AND. Whatever
 * it cannot read is left to the database.
 * @param name of the column, or VALUE for a domain
 */
export function readCheck(definition: string, name: string): ReadableCheck {
  const check: ReadableCheck = {};
  const condition = /^CHECK \((.*)\)(?: NOT VALID)?$/s.exec(definition)?.[1] ?? '';
  if (/ OR |\bNOT\b|\bCASE\b/.test(condition.replace(/'(?:[^']|'')*'/g, "''"))) return check;
  for (const part of condition.split(' AND ')) Object.assign(check, readCondition(part, name));
  return check;
}

function readCondition(part: string, name: string): ReadableCheck {
  const comparison = COMPARISON.exec(part);
  if (comparison?.[1] === name) return bound(comparison[2] ?? '', Number(comparison[3]));
  const length = LENGTH.exec(part);
  if (length?.[1] === name) return lengthBound(length[2] ?? '', Number(length[3]));
  const list = LIST.exec(part);
  const options = list?.[1] === name ? readList(list[2] ?? '') : null;
  return options === null ? {} : { options };
}

function bound(operator: string, value: number): ReadableCheck {
  if (!Number.isFinite(value)) return {};
  if (operator === '>=') return { minimum: value };
  if (operator === '>') return { exclusiveMinimum: value };
  return operator === '<=' ? { maximum: value } : { exclusiveMaximum: value };
}

function lengthBound(operator: string, value: number): ReadableCheck {
  if (operator === '=') return { minLength: value, maxLength: value };
  if (operator === '>=' || operator === '>') return { minLength: operator === '>' ? value + 1 : value };
  return { maxLength: operator === '<' ? value - 1 : value };
}

function readList(text: string): string[] | null {
  const items: string[] = [];
  ITEM.lastIndex = 0;
  while (ITEM.lastIndex < text.length) {
    const item = ITEM.exec(text);
    if (item === null) return null;
    items.push((item[1] ?? '').replaceAll("''", "'"));
  }
  return items;
}

/** How the columns of a table differ from an earlier look at it, in words that name them. */
export function differences(before: TableShape, now: TableShape): { column: string; message: string }[] {
  const known = new Map(before.columns.map((column) => [column.name, column]));
  const found: { column: string; message: string }[] = [];
  for (const column of now.columns) {
    const former = known.get(column.name);
    known.delete(column.name);
    if (former === undefined) found.push({ column: column.name, message: `is new: ${described(column)}` });
    else if (described(former) !== described(column)) {
      found.push({
        column: column.name,
        message: `was ${described(former)} and is now ${described(column)}`,
      });
    }
  }
  for (const [column] of known) found.push({ column, message: 'no longer exists' });
  return found;
}

function described({ type, notNull, defaultValue, isGenerated, options }: ColumnShape): string {
  const traits = [
    type,
    ...(options === null ? [] : [`(${options.join(', ')})`]),
    ...(isGenerated ? ['generated'] : []),
    ...(notNull ? ['NOT NULL'] : []),
    ...(defaultValue === null ? [] : [`DEFAULT ${defaultValue}`]),
  ];
  return traits.join(' ');
}
