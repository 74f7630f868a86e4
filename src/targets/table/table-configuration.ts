import { type JsonValue } from '../../platform/json/json-value.js';
import { nearestName, jsonPointer } from '../../platform/wording.js';
import type { ConfigurationProblem, TargetConfiguration } from '../../records/target.js';
import type { TableName } from './table-shape.js';

export interface LookupConfiguration {
  schema?: string;
  table: string;
  by: string;
  take: string;
  onMissing: 'fail' | 'create';
}

/** The target of an import process of the kind `table`, with its defaults. */
export interface TableConfiguration extends TableName {
  connection: string;
  /** Columns that find an existing row; `null`: every record creates one. */
  key: readonly string[] | null;
  /** The column of each field of a row; `null`: every column is a field of the same name. */
  columns: Readonly<Record<string, string>> | null;
  onMatch: 'update' | 'reject' | 'skip';
  onNoMatch: 'create' | 'reject';
  constants: Readonly<Record<string, JsonValue>>;
  lookup: Readonly<Record<string, LookupConfiguration>>;
  /** Whether changes are logged in the database of the table, so that an import can be undone. */
  log: boolean;
}

export type RefusePlace = (place: readonly (string | number)[], code: string, message: string) => void;

const MEMBERS = [
  'kind',
  'connection',
  'schema',
  'table',
  'key',
  'columns',
  'onMatch',
  'onNoMatch',
  'constants',
  'lookup',
  'log',
];
const LOOKUP_MEMBERS = ['schema', 'table', 'by', 'take', 'onMissing'];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Adds problems, each with its place in the target. */
export function refusing(problems: ConfigurationProblem[]): RefusePlace {
  return (place, code, message) => {
    const name = String(place.at(-1));
    problems.push({ pointer: jsonPointer('target', ...place), code, message: `${name} ${message}` });
  };
}

/** Checks the form of a configuration, which needs no database. `null` if problems were found. */
export function readConfiguration(
  target: TargetConfiguration,
  problems: ConfigurationProblem[],
): TableConfiguration | null {
  const refuse = refusing(problems);
  for (const member of Object.keys(target)) {
    if (!MEMBERS.includes(member)) {
      const nearest = nearestName(member, MEMBERS);
      const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
      refuse([member], 'unknown_member', `is not a member of a table target${hint}`);
    }
  }
  const { connection, schema, table, key, columns, constants = {}, lookup = {} } = target;
  const { onMatch = 'update', onNoMatch = 'create', log = false } = target;
  for (const [name, value] of Object.entries({ connection, schema, table })) {
    if (!isName(value)) refuse([name], 'required', 'is required: a name');
  }
  if (key !== undefined && !(Array.isArray(key) && key.length > 0 && key.every(isName)))
    refuse(['key'], 'invalid_value', 'must be a list of columns; leave it out if every record creates a row');
  if (columns !== undefined && !(isObject(columns) && Object.values(columns).every(isName)))
    refuse(['columns'], 'invalid_value', 'must be an object from field to column');
  if (!['update', 'reject', 'skip'].includes(onMatch as string))
    refuse(['onMatch'], 'invalid_value', 'must be update, reject or skip');
  if (!['create', 'reject'].includes(onNoMatch as string))
    refuse(['onNoMatch'], 'invalid_value', 'must be create or reject');
  if (key === undefined && (target.onMatch !== undefined || onNoMatch === 'reject'))
    refuse(['key'], 'required', 'is required, because onMatch and onNoMatch need a key to find a row by');
  if (typeof log !== 'boolean') refuse(['log'], 'invalid_value', 'must be true or false');
  if (key === undefined && log === true)
    refuse(['key'], 'required', 'is required with log, because an undo needs a key to find the rows again');
  if (!isObject(constants)) refuse(['constants'], 'invalid_value', 'must be an object from column to value');
  if (!isObject(lookup)) refuse(['lookup'], 'invalid_value', 'must be an object from field to look-up');
  else for (const [field, each] of Object.entries(lookup)) checkLookupForm(field, each, refuse);
  if (problems.length > 0) return null;
  return {
    ...({
      connection,
      schema,
      table,
      columns: columns ?? null,
      key: key ?? null,
      constants,
    } as TableConfiguration),
    ...({ onMatch, onNoMatch, lookup, log } as Pick<
      TableConfiguration,
      'onMatch' | 'onNoMatch' | 'lookup' | 'log'
    >),
  };
}

function checkLookupForm(field: string, lookup: unknown, refuse: RefusePlace): void {
  const place = ['lookup', field];
  if (!isObject(lookup))
    return refuse(place, 'invalid_value', 'must be an object with table, by, take and onMissing');
  for (const member of Object.keys(lookup)) {
    if (!LOOKUP_MEMBERS.includes(member))
      refuse([...place, member], 'unknown_member', 'is not a member of a look-up');
  }
  for (const member of ['table', 'by', 'take']) {
    if (!isName(lookup[member])) refuse([...place, member], 'required', 'is required: a name');
  }
  if (lookup.schema !== undefined && !isName(lookup.schema))
    refuse([...place, 'schema'], 'invalid_value', 'must be the name of a schema');
  if (lookup.onMissing !== 'fail' && lookup.onMissing !== 'create')
    refuse([...place, 'onMissing'], 'invalid_value', 'must be fail or create');
}

/** All tables that the configuration names, each with the place of its name. */
export function tablesOf(configuration: TableConfiguration): { name: TableName; place: string[] }[] {
  const { schema, table, lookup } = configuration;
  const others = Object.entries(lookup).map(([field, each]) => ({
    name: { schema: each.schema ?? schema, table: each.table },
    place: ['lookup', field, 'table'],
  }));
  return [{ name: { schema, table }, place: ['table'] }, ...others];
}
