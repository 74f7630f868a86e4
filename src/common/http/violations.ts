import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import { asSentNames } from './as-sent.js';

/** One property of a DTO that cannot stay as it was sent. */
export interface Violation {
  /** From the outside in: `['columns', 2, 'name']`. */
  path: (string | number)[];
  value: unknown;
  sentence: string;
}

/** Makes the DTO of what was sent, and finds everything that is wrong with it; unknown names are not looked at. */
export function instantiate<Dto extends object>(
  type: ClassConstructor<Dto>,
  given: object,
): { dto: Dto; violations: Violation[] } {
  const { kept, rest } = apart(given, asSentNames(type.prototype as object));
  const dto = Object.assign(plainToInstance(type, rest, { exposeDefaultValues: true }), kept);
  return { dto, violations: validateSync(dto).flatMap((error) => flatten(error, [])) };
}

function apart(given: object, names: readonly string[]) {
  const entries = Object.entries(given) as [string, unknown][];
  return {
    kept: Object.fromEntries(entries.filter(([name]) => names.includes(name))),
    rest: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
  };
}

/** Names a DTO knows: those that have a validator. */
export function knownNames(type: ClassConstructor<object>): ReadonlySet<string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
  return new Set(metadata.map(({ propertyName }) => propertyName));
}

function flatten(error: ValidationError, parents: readonly (string | number)[]): Violation[] {
  const step = /^\d+$/.test(error.property) ? Number(error.property) : error.property;
  const path = [...parents, step];
  const sentences = [...new Set(Object.values(error.constraints ?? {}))];
  const own =
    sentences.length > 0 ? [{ path, value: error.value as unknown, sentence: sentences.join('; ') }] : [];
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, path))];
}
