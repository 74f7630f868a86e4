import { DATE_ORDERS, DECIMAL_MARKS, TEXT_CASES } from '../../formats/reading.js';
import type { ColumnRecipe } from '../../formats/recipes.js';
import type { ColumnKind } from '../../records/target.js';
import { text } from '../texts/catalogue.js';

/** One choice of a recipe as a select. */
interface RecipeChoice {
  field: string;
  label: string;
  options: { value: string; text: string; selected: boolean }[];
}

/** The form of what becomes of the values of one column. */
export interface RecipeForm {
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
