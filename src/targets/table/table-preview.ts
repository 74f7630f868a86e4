import { textArray } from '../../platform/database/copy-rows.js';
import type { JsonValue } from '../../platform/json/json-value.js';
import type {
  FieldChange,
  ImportRecord,
  LookedUpRecords,
  PreviewedOutcome,
  PreviewRun,
  SameThing,
} from '../../records/target.js';
import type { CompiledTable, TargetRow } from './compiled-table.js';
import type { TableConnections } from './connections.js';
import { readTableRows, tableRefusal } from './table-application.js';
import type { TableTargetPlan } from './table-plan.js';
import { type ColumnShape, identifier, relation } from './table-shape.js';
import { isDistinct, isMatch, isRecordState, referenceOf, typedRows } from './table-statements.js';

interface SeenRow {
  line: number;
  /** The place of a look-up that finds nothing. */
  missing: number | null;
  /** The name of a foreign key that refers to nothing. */
  broken: string | null;
  found: boolean;
  reference: string | null;
  before: JsonValue[] | null;
  after: JsonValue[];
  changed: boolean[] | null;
}

/** A row of the table as an earlier record would leave it. */
interface EarlierRow {
  values: JsonValue[];
  reference: string | null;
}

const MOST_SAME = 100;

/**
 * Previews rows by look-ups, without writing. Later rows would find the changes in the table; the preview keeps them
 * here instead, as long as a later row can ask for them. CHECK constraints and triggers are not foreseen.
 */
export class TablePreview implements PreviewRun {
  readonly sameThings: SameThing[] = [];
  private readonly plan: TableTargetPlan;
  /** The constraint of the key, as ordering keys name it. */
  private readonly unique: number;
  private readonly earlier = new Map<string, EarlierRow>();
  private readonly lines = new Map<string, number[]>();

  constructor(
    private readonly compiled: CompiledTable,
    private readonly connections: TableConnections,
  ) {
    this.plan = compiled.plan;
    this.unique = this.plan.uniques.findIndex((places) => places.join() === this.plan.key.join());
  }

  async lookUp(records: readonly ImportRecord[]): Promise<LookedUpRecords> {
    const rows: TargetRow[] = [];
    const refused: PreviewedOutcome[] = [];
    await readTableRows(records, this.compiled, refused, (row) => rows.push(row));
    const seen = new Map<number, SeenRow>();
    for (const found of await this.look(rows, refused)) seen.set(found.line, found);
    return { foresee: (recurs) => [...refused, ...this.foreseeAll(rows, seen, recurs)] };
  }

  private foreseeAll(
    rows: readonly TargetRow[],
    seen: ReadonlyMap<number, SeenRow>,
    recurs: (orderingKey: string, here: number) => boolean,
  ): PreviewedOutcome[] {
    const outcomes: PreviewedOutcome[] = [];
    for (const row of rows) {
      const found = seen.get(row.line);
      if (found !== undefined) outcomes.push(this.foresee(row, found));
    }
    for (const [match, ofMatch] of Map.groupBy(rows, (row) => row.match)) {
      if (match === null || recurs(`${this.unique} ${match}`, ofMatch.length)) continue;
      this.earlier.delete(match);
      this.lines.delete(match);
    }
    return outcomes;
  }

  /** @param refused receives the outcomes of rows with a value that the database does not take */
  private async look(rows: readonly TargetRow[], refused: PreviewedOutcome[]): Promise<SeenRow[]> {
    const { plan, connections } = this;
    if (rows.length === 0) return [];
    try {
      const parameters = previewParameters(plan, rows);
      return await connections.select<SeenRow>(plan.configuration.connection, previewRows(plan), parameters);
    } catch (error) {
      const { code: state, message } = error as { code?: string; message?: string };
      if (!isRecordState(state)) throw error;
      const [only] = rows;
      if (rows.length === 1 && only !== undefined) {
        const cause = {
          operation: 'refused' as const,
          reference: null,
          state: state ?? null,
          message: message ?? null,
        };
        refused.push(rejected(only.line, tableRefusal(cause, plan)));
        return [];
      }
      const half = rows.length >> 1;
      return [
        ...(await this.look(rows.slice(0, half), refused)),
        ...(await this.look(rows.slice(half), refused)),
      ];
    }
  }

  private foresee(row: TargetRow, found: SeenRow): PreviewedOutcome {
    const { plan } = this;
    const { line, match } = row;
    const { missing, broken } = found;
    const isToBeCreated = missing !== null && plan.columns[missing]?.lookup?.onMissing === 'create';
    if (missing !== null && !isToBeCreated)
      return rejected(line, tableRefusal({ operation: 'missing', reference: String(missing) }, plan));
    const before = this.before(row, found);
    if (before !== undefined) this.noteSame(row, found);
    const { onMatch, onNoMatch } = plan.configuration;
    if (before === undefined && onNoMatch === 'reject')
      return rejected(line, tableRefusal({ operation: 'unmatched', reference: null }, plan));
    if (before !== undefined && onMatch !== 'update') {
      if (onMatch === 'skip')
        return { line, status: 'skipped', operation: null, reference: before.reference };
      return {
        ...rejected(line, tableRefusal({ operation: 'matched', reference: null }, plan)),
        reference: before.reference,
      };
    }
    if (broken !== null) {
      const cause = { operation: 'refused' as const, reference: null, state: '23503', constraint: broken };
      return rejected(
        line,
        tableRefusal({ ...cause, message: 'no row has the value that it refers to' }, plan),
      );
    }
    const changes = this.changes(row, found, before);
    const values = found.after.map((value, place) =>
      row.values[place] === undefined ? (before?.values[place] ?? null) : value,
    );
    if (match !== null) {
      this.earlier.set(match, { values, reference: before?.reference ?? null });
      if (before === undefined) this.lines.set(match, [line]);
    }
    const operation = before === undefined ? 'created' : changes.length > 0 ? 'updated' : 'unchanged';
    return { line, status: 'succeeded', operation, reference: before?.reference ?? null, changes };
  }

  private before({ match }: TargetRow, found: SeenRow): EarlierRow | undefined {
    const earlier = match === null ? undefined : this.earlier.get(match);
    if (earlier !== undefined || !found.found || found.before === null) return earlier;
    return { values: found.before, reference: found.reference };
  }

  private changes(row: TargetRow, found: SeenRow, before: EarlierRow | undefined): FieldChange[] {
    const isStored = before !== undefined && before.values === found.before;
    return this.plan.columns.flatMap(({ field, column }, place) => {
      if (row.values[place] === undefined || (before !== undefined && this.plan.key.includes(place)))
        return [];
      const [old, value] = [before?.values[place] ?? null, found.after[place] ?? null];
      const isChanged = isStored
        ? found.changed?.[place] === true
        : JSON.stringify(old) !== JSON.stringify(value);
      return isChanged ? [{ field: field ?? column.name, before: old, after: value }] : [];
    });
  }

  private noteSame({ line, match }: TargetRow, { after }: SeenRow): void {
    if (match === null) return;
    const lines = this.lines.get(match) ?? [];
    lines.push(line);
    this.lines.set(match, lines);
    const place = this.plan.key[0] ?? 0;
    const { field, column } = this.plan.columns[place] ?? {};
    if (lines.length !== 2 || this.sameThings.length === MOST_SAME) return;
    const value = after[place];
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    this.sameThings.push({ identifier: `${field ?? column?.name}:${shown}`, lines });
  }
}

function rejected(line: number, error: ReturnType<typeof tableRefusal>): PreviewedOutcome {
  return { line, status: 'failed', operation: 'rejected', reference: null, error };
}

/** The parameters of `previewRows`. */
function previewParameters(plan: TableTargetPlan, rows: readonly TargetRow[]): unknown[] {
  return [
    rows.map(({ line }) => line),
    rows.map(({ values }) => values.map((value) => (value === undefined ? '1' : '0')).join('')),
    ...plan.columns.map((_, place) => textArray(rows.map(({ values }) => values[place] ?? null))),
  ];
}

/** Values as JSON that shows them exactly: a number with many digits, or a moment, is a text. */
function shownAs({ family, isArray }: ColumnShape, value: string): string {
  const isJson = isArray || /^(?:bool|int2|int4|float4|float8|jsonb?)$/.test(family ?? '');
  return `to_jsonb(${isJson ? value : `${value}::text`})`;
}

/** A foreign key to a row that is not there. Keys to the table itself are left out: an earlier row can create it. */
function brokenForeignKey({ shape, columns, configuration }: TableTargetPlan): string {
  const cases = shape.foreignKeys.flatMap((key) => {
    const places = key.columns.map((name) => columns.findIndex(({ column }) => column.name === name));
    if (places.includes(-1) || relation(key) === relation(configuration)) return [];
    const filled = places.map((place) => `s.c${place} IS NOT NULL`).join(' AND ');
    const equal = key.references
      .map((name, index) => `r.${identifier(name)} = s.c${places[index]}`)
      .join(' AND ');
    const name = `'${key.name.replaceAll("'", "''")}'`;
    return [`WHEN ${filled} AND NOT EXISTS (SELECT FROM ${relation(key)} r WHERE ${equal}) THEN ${name}`];
  });
  return cases.length === 0 ? 'NULL::text' : `CASE ${cases.join(' ')} END`;
}

/** What each row would meet, with the values before and after it. Parameters: lines, absent, then one array per column. */
function previewRows(plan: TableTargetPlan): string {
  const texts = plan.columns.map((_, place) => `$${place + 3}::text[]`).join(', ');
  const names = plan.columns.map((_, place) => `c${place}`).join(', ');
  const hasKey = plan.key.length > 0;
  const before = plan.columns.map(({ column }) => shownAs(column, `t.${identifier(column.name)}`)).join(', ');
  const after = plan.columns.map(({ column }, place) => shownAs(column, `s.c${place}`)).join(', ');
  const changed = plan.columns.map(({ column }, place) =>
    isDistinct(column, `t.${identifier(column.name)}`, `s.c${place}`),
  );
  const first = identifier(plan.columns[plan.key[0] ?? 0]?.column.name ?? '');
  return `WITH sent AS (SELECT * FROM unnest($1::bigint[], $2::text[], ${texts}) AS sent (line, absent, ${names})),
    src AS MATERIALIZED (${typedRows(plan, 'sent', null)})
    SELECT s.line::integer AS line, s.missing, ${brokenForeignKey(plan)} AS broken,
           jsonb_build_array(${after}) AS after,
           ${hasKey ? `t.${first} IS NOT NULL` : 'false'} AS found,
           ${hasKey ? referenceOf(plan, 't') : 'NULL::text'} AS reference,
           ${hasKey ? `jsonb_build_array(${before})` : 'NULL::jsonb'} AS before,
           ${hasKey ? `ARRAY[${changed.join(', ')}]` : 'NULL::boolean[]'} AS changed
      FROM src s ${hasKey ? `LEFT JOIN ${relation(plan.configuration)} t ON ${isMatch(plan, 't', 's')}` : ''}`;
}
