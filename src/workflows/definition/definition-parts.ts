import type { JsonObject, JsonValue } from '../../platform/json/json-value.js';
import { nearestName } from '../../platform/wording.js';

/** A part of the definition in a request, and its place in the definition. */
export interface Part {
  value: JsonObject;
  /** RFC 6901. */
  pointer: string;
}

/** Reports one mistake of a definition. */
export type Refuse = (pointer: string, code: string, message: string) => void;

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The objects in a list that is a member of a part. Other values are skipped, because the schema reports them. */
export function partsOf(parent: JsonObject, member: string, parentPointer = ''): Part[] {
  return listOf(parent[member]).flatMap((value, index) =>
    isObject(value) ? [{ value, pointer: `${parentPointer}/${member}/${index}` }] : [],
  );
}

export function namesOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ value }) => (typeof value.name === 'string' ? [value.name] : []));
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The text; an empty text if the member has another type. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** `; did you mean "…"?`, or nothing. */
export function hint(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}
