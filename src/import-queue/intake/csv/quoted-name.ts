const LONGEST = 60;

/** A name out of a file, for a message: shortened, control characters escaped. */
export function quotedName(name: string): string {
  return JSON.stringify(name.length <= LONGEST ? name : `${name.slice(0, LONGEST)}…`);
}
