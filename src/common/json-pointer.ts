/** RFC 6901 pointer to a member, from the names and indexes on the way to it; none: the whole document. */
export function jsonPointer(...path: readonly (string | number)[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
