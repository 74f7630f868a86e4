import { numberLiterals } from './number-literals.js';

/** What only the line itself tells about a row's values. */
export class RowSource {
  /** Without one, no name and no text is written in another way than it reads. */
  readonly hasBackslash: boolean;
  /** A string of the row may hold what PostgreSQL cannot: that comes through JSON only as an escape. */
  readonly mayBeUnstorable: boolean;
  private literals: ReadonlyMap<string, string> | undefined;

  /** @param raw the JSON object as it was sent */
  constructor(readonly raw: string) {
    this.hasBackslash = raw.includes('\\');
    this.mayBeUnstorable = this.hasBackslash && raw.includes('\\u');
  }

  /** A number as it is written in the line. Reads the whole line; `NumberText` is quicker for one column of many rows. */
  numberText(column: string, value: number): string {
    this.literals ??= numberLiterals(this.raw);
    return this.literals.get(column) ?? String(value);
  }
}
