/**
 * One value of one identifier as one text; the ordering key of the rows that have it.
 * NUL cannot be in a value, so no two run into each other.
 * @param value as it is found by
 */
export function identifierKey(name: string, value: string): string {
  return `${name}\u0000${value}`;
}
