import { trimEnds } from '../records/rows.js';
import type {
  DATE_ORDERS,
  DECIMAL_MARKS,
  EMPTY_CELLS,
  HeaderMapping,
  Reading,
  ReadingChoices,
  TEXT_CASES,
  TRIMS,
} from './reading.js';

/*
 * Value recipes: what becomes of the cells of one column before its rows are checked. A recipe belongs to a header, so
 * that it survives a change of the order of columns.
 */

/** Every member is optional; without one, the reading of the file decides. */
export interface ColumnRecipe {
  /** `ends` also trims text, which the reading of a file never does. */
  trim?: (typeof TRIMS)[number];
  case?: (typeof TEXT_CASES)[number];
  dateOrder?: (typeof DATE_ORDERS)[number];
  decimalMark?: (typeof DECIMAL_MARKS)[number];
  /** From a value of the file to the value that is imported; an empty value makes the cell empty. */
  values?: Readonly<Record<string, string>>;
  /** The value of empty cells. */
  default?: string;
  emptyCells?: (typeof EMPTY_CELLS)[number];
}

/** The members of a recipe, in the order in which a cell passes them. */
export const RECIPE_PARTS = [
  'trim',
  'values',
  'case',
  'dateOrder',
  'decimalMark',
  'default',
  'emptyCells',
] as const satisfies readonly (keyof ColumnRecipe)[];

/** What a saved mapping holds about one column. */
export interface MappedColumn extends ColumnRecipe {
  /** `null`: the column is not imported. */
  field: string | null;
}

/** What a saved mapping says about files that fit it. */
export interface SavedMapping {
  name: string;
  reading: ReadingChoices;
  /** By header. */
  columns: Readonly<Record<string, MappedColumn>>;
  /** Values of fields that the file does not have, by field. */
  constants: Readonly<Record<string, string>>;
}

/** The recipe of a column without its field; `null` if nothing is left. */
export function recipeOf({ ...members }: ColumnRecipe & { field?: unknown }): ColumnRecipe | null {
  delete members.field;
  return Object.keys(members).length === 0 ? null : members;
}

/** The columns of a mapping as header rules know them. */
export function fieldsOf(mapping: SavedMapping | null): ReadonlyMap<string, string | null> {
  return new Map(Object.entries(mapping?.columns ?? {}).map(([header, { field }]) => [header, field]));
}

/**
 * The mapping that fits a header: the file has every column that the mapping imports. Of several, the one that names
 * most of the columns; of those, the first.
 * @param mappings the ones saved last first
 */
export function mappingThatFits(
  mappings: readonly SavedMapping[],
  headers: readonly string[],
): SavedMapping | null {
  const present = new Set(headers);
  let best: SavedMapping | null = null;
  let most = 0;
  for (const mapping of mappings) {
    const columns = Object.entries(mapping.columns);
    const imported = columns.filter(([, { field }]) => field !== null);
    const needed = imported.length > 0 ? imported : columns;
    if (!needed.every(([header]) => present.has(header))) continue;
    const named = columns.filter(([header]) => present.has(header)).length;
    if (named > most) [best, most] = [mapping, named];
  }
  return best;
}

/** What is saved of a reading for later files: each choice that the sender made, without those that concern one file. */
export function choicesOf({ chosen, ...reading }: Reading): ReadingChoices {
  return Object.fromEntries(chosen.map((name) => [name, reading[name]]));
}

/** The reading with the choices of a mapping where the sender made none. */
export function withChoicesOf(reading: Reading, choices: ReadingChoices): Reading {
  const open = Object.entries(choices).filter(([name]) => !reading.chosen.some((chosen) => chosen === name));
  return { ...reading, ...Object.fromEntries(open) };
}

/** The columns and constants that a file was read with, as a mapping for later files. */
export function mappingFrom(
  columns: readonly { header: string; target: string | null; recipe?: ColumnRecipe }[],
  decided: HeaderMapping,
): Record<string, MappedColumn> {
  const kept = columns.filter(({ header, target }) => target !== null || decided[header] === null);
  return Object.fromEntries(kept.map(({ header, target, recipe }) => [header, { field: target, ...recipe }]));
}

/** Applies the parts of a recipe that replace texts. */
export class ValueRecipe {
  private readonly values: ReadonlyMap<string, string>;

  /** @param isOurs the values of our downloads have passed the recipe before, so a value must not be replaced twice */
  constructor(
    private readonly recipe: ColumnRecipe,
    isOurs: boolean,
  ) {
    const values = Object.entries(recipe.values ?? {});
    const isStable = values.every(([, to]) => (recipe.values?.[to] ?? to) === to);
    this.values = new Map(isOurs && !isStable ? [] : values.map(([from, to]) => [trimEnds(from), to]));
  }

  /** The value that the map has for a text; `undefined` if it has none. */
  replaced(text: string): string | undefined {
    return this.values.get(trimEnds(text));
  }

  /** The text in the case of the recipe. */
  cased(text: string): string {
    switch (this.recipe.case) {
      case 'upper':
        return text.toUpperCase();
      case 'lower':
        return text.toLowerCase();
      case 'title':
        return text
          .toLowerCase()
          .replace(/(^|[^\p{L}\p{N}\p{M}'’])(\p{L})/gu, (_, before: string, letter: string) => {
            // The upper case of ß has two letters.
            const [first = '', ...rest] = letter.toUpperCase();
            return before + first + rest.join('').toLowerCase();
          });
      default:
        return text;
    }
  }
}
