/** How many single characters must be inserted, deleted, replaced or swapped with the next to get from one to the other. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const replaced = at(last, j - 1) + (same ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
          ? at(beforeLast, j - 2) + 1
          : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}

/** Case, spaces and signs left aside: `firstName`, `FIRST_NAME` and `First Name` are the same name mistyped. */
function simplified(name: string): string {
  return name
    .slice(0, LONGEST)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

/** Longer names are compared by their beginning: the work grows with the square of the length. */
const LONGEST = 100;

/** The known name somebody probably meant, for a hint; `undefined` when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const wanted = simplified(name);
  const bound = Math.floor(wanted.length / 3);
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const other = simplified(candidate);
    if (Math.abs(other.length - wanted.length) > bound) continue;
    const found = distance(wanted, other);
    if (found < least && found <= bound) [nearest, least] = [candidate, found];
  }
  return nearest;
}
