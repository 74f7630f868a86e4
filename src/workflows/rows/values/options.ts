import { NearestName } from '../nearest-name.js';
import { quoted } from '../row-errors.js';
import { ValueError } from './value-error.js';

const SHOWN = 5;

/** The options of a PickList or MultiSelectList. */
export class Options {
  private readonly known: ReadonlySet<string>;
  private readonly nearest: NearestName;
  /** `one of "Associate", "Fellow"`; only the first of many. */
  readonly form: string;

  constructor(readonly names: readonly string[]) {
    this.known = new Set(names);
    this.nearest = new NearestName(names);
    const shown = names.slice(0, SHOWN).map((name) => quoted(name));
    this.form =
      names.length > SHOWN
        ? `one of ${shown.join(', ')}, … (${names.length} options)`
        : `one of ${shown.join(', ')}`;
  }

  has(name: string): boolean {
    return this.known.has(name);
  }

  /** Refuses `name`. @param rule what precedes the options: `must be` or `may hold only` */
  error(rule: string, name: string): ValueError {
    return new ValueError(
      'not_an_option',
      `${rule} ${this.form}; found ${quoted(name)}.`,
      false,
      this.nearest.hint(name),
    );
  }
}
