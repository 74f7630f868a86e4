import type { IdentifierValue, ParsedRow } from '../../workflows/rows/parsed-row.js';

/** Whether all that may find the row's instance are values that several instances may share. */
export function hasSharedOnly({ identifiers }: ParsedRow): boolean {
  return identifiers.length > 0 && !identifiers.some(({ unique }) => unique);
}

/**
 * The identifiers that find the row's instance: the unique ones, or, where it has none, the shared ones together. Beside
 * a unique one a shared one finds nothing: that others have it too says nothing about which one is meant.
 */
export function decidingIdentifiers(row: ParsedRow): readonly IdentifierValue[] {
  return hasSharedOnly(row) ? row.identifiers : row.identifiers.filter(({ unique }) => unique);
}
