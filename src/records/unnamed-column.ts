const UNNAMED = /^\(column [1-9]\d{0,5}\)$/;

/** The name under which the cells of a column without a name are kept. `place` is 1-based. */
export function unnamedColumn(place: number): string {
  return `(column ${place})`;
}

/** Spreadsheets leave columns behind that have neither a name nor a value. */
export function isUnnamedColumn(name: string): boolean {
  return UNNAMED.test(name);
}
