import type { BatchResource } from '../../batches/batch-resource.js';
import { columnsAddedByDownloads } from '../../formats/csv/csv-columns.js';
import {
  type ColumnRecipe,
  DATE_ORDERS,
  DECIMAL_MARKS,
  type MappedColumn,
  type SavedMapping,
  TEXT_CASES,
} from '../../formats/reading.js';
import { isUnnamedColumn } from '../../records/rows.js';
import type { ColumnKind, RowColumn } from '../../records/target.js';
import { filledIn } from '../new-import/row-form.js';
import { text } from '../texts/catalogue.js';

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

/** One choice of a recipe as a select. */
interface RecipeChoice {
  field: string;
  label: string;
  options: { value: string; text: string; selected: boolean }[];
}

/** The form of what becomes of the values of one column. */
interface RecipeForm {
  choices: RecipeChoice[];
  values: { field: string; text: string };
  standIn: { field: string; value: string };
  /** What the recipe does, in a few words; `null` without one. */
  summary: string | null;
}

type Option = readonly [value: string, label: string];

/** @param key what stands after the colon in the names of the fields */
export function recipeForm(key: string, recipe: ColumnRecipe, kind: ColumnKind | undefined): RecipeForm {
  const choice = (name: keyof ColumnRecipe, options: readonly Option[]): RecipeChoice => ({
    field: `${name}:${key}`,
    label: text(`recipe.${name as 'trim'}`),
    options: [['', text('recipe.asFile')] as const, ...options].map(([value, label]) => ({
      value,
      text: label,
      selected: value === (recipe[name] ?? ''),
    })),
  });
  return {
    choices: [
      choice('trim', [
        ['ends', text('recipe.trims.ends')],
        ['none', text('recipe.trims.none')],
      ]),
      choice(
        'case',
        TEXT_CASES.map((value): Option => [value, text(`recipe.cases.${value}`)]),
      ),
      ...(kind === 'date'
        ? [
            choice(
              'dateOrder',
              DATE_ORDERS.map((order): Option => [order, text(`confirmation.dateOrders.${order}`)]),
            ),
          ]
        : []),
      ...(kind === 'number'
        ? [
            choice(
              'decimalMark',
              DECIMAL_MARKS.map((mark): Option => [mark, text(`confirmation.decimalMarks.${mark}`)]),
            ),
          ]
        : []),
      choice('emptyCells', [
        ['keep', text('confirmation.emptyCells.keep')],
        ['clear', text('confirmation.emptyCells.clear')],
      ]),
    ],
    values: { field: `values:${key}`, text: linesOf(recipe.values ?? {}) },
    standIn: { field: `default:${key}`, value: recipe.default ?? '' },
    summary: recipeSummary(recipe),
  };
}

const MOST_SHOWN = 4;

/** What a recipe does, in a few words; `null` if it does nothing. */
function recipeSummary({ values, default: standIn, ...choices }: ColumnRecipe): string | null {
  const entries = Object.entries(values ?? {});
  const parts = [
    ...entries.slice(0, MOST_SHOWN).map(([from, to]) => `${from} → ${to}`),
    ...(entries.length > MOST_SHOWN ? ['…'] : []),
    ...(standIn === undefined ? [] : [text('recipe.emptyBecomes', { value: standIn })]),
    ...(choices.trim === undefined ? [] : [text(`recipe.trims.${choices.trim}`)]),
    ...(choices.case === undefined ? [] : [text(`recipe.cases.${choices.case}`)]),
    ...(choices.dateOrder === undefined ? [] : [text(`confirmation.dateOrders.${choices.dateOrder}`)]),
    ...(choices.decimalMark === undefined ? [] : [text(`confirmation.decimalMarks.${choices.decimalMark}`)]),
    ...(choices.emptyCells === undefined ? [] : [text(`confirmation.emptyCells.${choices.emptyCells}`)]),
  ];
  return parts.length === 0 ? null : parts.join(' · ');
}

/** Names that come from the prefix of a form field, so that the API judges their values. */
const CHOICES = ['trim', 'case', 'dateOrder', 'decimalMark', 'emptyCells'] as const;

/**
 * The recipe that a form has for a column; `undefined` if the form does not ask for it. Its choices are not checked.
 * @param before what the form does not show keeps its value
 */
export function recipeIn(
  form: Readonly<Record<string, unknown>>,
  key: string,
  before: ColumnRecipe,
): ColumnRecipe | undefined {
  const fieldOf = (name: string) => form[`${name}:${key}`];
  if (![...CHOICES, 'values', 'default'].some((name) => fieldOf(name) !== undefined)) return undefined;
  const recipe: Record<string, unknown> = { ...before };
  for (const name of [...CHOICES, 'default']) {
    const value = fieldOf(name);
    if (value === '') delete recipe[name];
    else if (value !== undefined) recipe[name] = value;
  }
  const lines = fieldOf('values');
  if (typeof lines === 'string') {
    const values = valuesIn(lines);
    if (Object.keys(values).length === 0) delete recipe.values;
    else recipe.values = values;
  }
  return recipe;
}

/** One value a line. A tab separates in what was copied from a spreadsheet; arrows allow for an equals sign. */
const SEPARATORS = ['\t', '→', '=>', '='];

function valuesIn(lines: string): Record<string, string> {
  const entries = lines.split(/\r?\n/).flatMap((line) => {
    const separator = SEPARATORS.find((each) => line.includes(each));
    if (separator === undefined) return [];
    const [from = '', ...to] = line.split(separator);
    return from.trim() === '' ? [] : [[from.trim(), to.join(separator).trim()]];
  });
  return Object.fromEntries(entries) as Record<string, string>;
}

function linesOf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([from, to]) => `${from} ${/[=→]/.test(from + to) ? '→' : '='} ${to}`)
    .join('\n');
}
