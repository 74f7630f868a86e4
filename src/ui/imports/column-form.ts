import type { BatchResource } from '../../batches/batch-resource.js';
import { columnsAddedByDownloads } from '../../formats/csv/csv-columns.js';
import type { MappedColumn, SavedMapping } from '../../formats/recipes.js';
import { isUnnamedColumn } from '../../records/rows.js';
import type { RowColumn } from '../../records/target.js';
import { filledIn } from '../new-import/row-form.js';
import { text } from '../texts/catalogue.js';
import { type RecipeForm, recipeForm, recipeIn } from './recipe-form.js';

/** The most columns that the page asks about. */
const MOST_ASKED = 200;
/** A longer header does not fit into the name of a form field. */
const LONGEST_NAME = 200;
/** The choice for a column that is not imported. */
const LEFT_OUT = '-';

/** Identifiers begin with a colon, which means nothing to a person. */
export const fieldName = (name: string): string => name.replace(/^:/, '');

type Upload = Pick<BatchResource, 'understood' | 'summary'>;

/** A column of the file and the fields that it can be matched to. */
interface AskedColumn {
  header: string;
  /** The name of the select. */
  field: string;
  state: 'applied' | 'undecided' | 'leftOut';
  leftOut: boolean;
  targets: { name: string; text: string; selected: boolean }[];
  hint: string | null;
  samples: string;
  /** What becomes of its values; `null` if it is not imported. */
  recipe: RecipeForm | null;
}

/** The columns in one state. */
export interface ColumnGroup {
  state: AskedColumn['state'];
  title: string;
  columns: AskedColumn[];
}

/**
 * The columns of a file, those that need a decision first.
 * @param fields the fields of a row
 * @param samples the first values of each field
 */
export function askedColumns(
  { understood, summary }: Upload,
  fields: readonly Pick<RowColumn, 'name' | 'kind'>[],
  samples: (target: string) => string,
): AskedColumn[] {
  const known = fields.map(({ name }) => name);
  const columns = understood?.columns ?? [];
  const nearest = new Map(summary?.columns?.unknown.map((column) => [column.header, column.nearest]));
  const added = columnsAddedByDownloads(columns);
  const asked = columns.map(({ header, target, recipe = {} }, index): AskedColumn => {
    const isUnknown = nearest.has(header);
    const near = nearest.get(header) ?? null;
    // A saved match may name a field that templates do not have.
    const names = target === null || known.includes(target) ? known : [target, ...known];
    const key = keyOf(header, index);
    const kind = fields.find(({ name }) => name === target)?.kind;
    return {
      header,
      field: `column:${key}`,
      recipe: target === null ? null : recipeForm(key, recipe, kind),
      state: target !== null ? 'applied' : near !== null ? 'undecided' : 'leftOut',
      leftOut: target === null && !isUnknown && !isUnnamedColumn(header),
      targets: names.map((name) => ({ name, text: fieldName(name), selected: name === target })),
      hint: near === null ? null : text('confirmation.didYouMean', { field: fieldName(near) }),
      samples: target === null ? '' : samples(target),
    };
  });
  const order = ['undecided', 'leftOut', 'applied'];
  return asked
    .filter(({ header }) => !added.has(header))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .slice(0, MOST_ASKED);
}

/** Browsers send line breaks in the name of a field as CRLF. */
const asSent = (header: string) => header.replace(/\r\n|\r|\n/g, '\r\n');

/** What stands after the colon in the names of the fields of a column. */
function keyOf(header: string, index: number): string {
  return isUnnamedColumn(header) || header.length > LONGEST_NAME ? String(index + 1) : header;
}

/** The columns by what is to be done about them. */
export function columnGroups(asked: readonly AskedColumn[]): ColumnGroup[] {
  const states = ['undecided', 'leftOut', 'applied'] as const;
  return states.flatMap((state) => {
    const columns = asked.filter((column) => column.state === state);
    const title = text(`confirmation.groups.${state}`, { count: columns.length });
    return columns.length === 0 ? [] : [{ state, title, columns }];
  });
}

type Decisions = Record<string, string | null | MappedColumn>;

/** What the form decides about columns and their values, and what was decided before about the others. */
export function mappingOf(form: unknown, { understood }: Upload): Decisions {
  const columns = understood?.columns ?? [];
  const before = typeof understood?.mapping === 'object' ? understood.mapping : {};
  const withRecipe = (header: string, field: string | null): string | null | MappedColumn => {
    const recipe = columns.find((column) => column.header === header && column.target === field)?.recipe;
    return recipe === undefined ? field : { field, ...recipe };
  };
  const decided = new Map(
    Object.entries(before).map(([header, field]) => [header, withRecipe(header, field)] as const),
  );
  const fields = (form ?? {}) as Record<string, unknown>;
  for (const [name, chosen] of filledIn(form)) {
    const column =
      columns.find(({ header }) => asSent(header) === asSent(name)) ??
      (/^[1-9]\d*$/.test(name) ? columns[Number(name) - 1] : undefined);
    if (column === undefined) continue;
    const { header, target, recipe: present = {} } = column;
    const recipe = chosen === target ? (recipeIn(fields, name, present) ?? present) : {};
    const isChanged = chosen !== target || JSON.stringify(recipe) !== JSON.stringify(present);
    if (chosen === '') decided.delete(header);
    else if (chosen === LEFT_OUT) decided.set(header, null);
    // A match that the page proposed and nobody changed is no decision.
    else if (isChanged || decided.has(header)) {
      decided.set(header, Object.keys(recipe).length === 0 ? chosen : { field: chosen, ...recipe });
    }
  }
  return Object.fromEntries(decided);
}

/**
 * The constants of the form; `undefined` if it changes none.
 * @param saved the mapping that applied: a constant of it that the file was read without stays removed
 */
export function constantsOf(
  form: unknown,
  { understood }: Upload,
  saved: SavedMapping | null,
): Record<string, string | null> | undefined {
  const present = understood?.constants ?? {};
  const { newConstant, newConstantValue } = (form ?? {}) as Record<string, unknown>;
  const given = filledIn(form, 'constant:');
  const isNew = typeof newConstant === 'string' && newConstant !== '' && typeof newConstantValue === 'string';
  const isChanged = [...given].some(([field, value]) => present[field] !== value);
  if (!isChanged && !isNew) return undefined;
  const removed = Object.keys(saved?.constants ?? {}).filter((field) => present[field] === undefined);
  return {
    ...Object.fromEntries(removed.map((field) => [field, null])),
    ...present,
    ...Object.fromEntries([...given].map(([field, value]) => [field, value === '' ? null : value])),
    ...(isNew && { [newConstant]: newConstantValue }),
  };
}
