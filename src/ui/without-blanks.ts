/** A form sends its empty fields too: in a query they ask for nothing. */
export function withoutBlanks(query: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''));
}
