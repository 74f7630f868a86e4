import { DomainError, type ProblemDetail } from '../platform/domain-error.js';
import { jsonSchemaProblems } from '../platform/json/json-schema-problems.js';
import { nearestName } from '../platform/wording.js';
import type { RecordTarget } from '../records/target.js';
import type { TargetRegistry } from '../targets/target-registry.js';
import type { ImportProcessInput } from './import-process.js';

/**
 * The target of a stored import process.
 * @throws DomainError 409 `target_not_built_in`: it was saved by an application that had that target, and
 * this one has not
 */
export function builtInTarget(targets: TargetRegistry, kind: string): RecordTarget {
  const target = targets.find(kind);
  if (target !== undefined) return target;
  throw new DomainError(
    409,
    'target_not_built_in',
    'The target of the import process is missing',
    `The import process sends its records to a target of kind "${kind}", which this installation lacks. It has: ${targets.kinds.join(', ')}.`,
  );
}

/** What keeps an import process from being used, each with its place in what was sent; none: it can be saved. */
export async function importProcessProblems(
  { target, recordSchema }: Pick<ImportProcessInput, 'target' | 'recordSchema'>,
  targets: TargetRegistry,
): Promise<ProblemDetail[]> {
  const ofSchema = (recordSchema === null ? [] : jsonSchemaProblems(recordSchema)).map(
    ({ pointer, code, message }) => ({ pointer: `/recordSchema${pointer}`, code, message }),
  );
  const known: unknown = target.kind;
  const chosen = typeof known === 'string' ? targets.find(known) : undefined;
  if (chosen === undefined) return [unknownKind(known, targets.kinds), ...ofSchema];
  const ofTarget = await chosen.validate(target, recordSchema);
  // A target may look at the schema too; what it says of a place is more to the point.
  return [
    ...ofTarget,
    ...ofSchema.filter(({ pointer }) => !ofTarget.some((each) => each.pointer === pointer)),
  ];
}

function unknownKind(kind: unknown, kinds: readonly string[]): ProblemDetail {
  const nearest = typeof kind === 'string' ? nearestName(kind, kinds) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return {
    pointer: '/target/kind',
    code: kind === undefined ? 'missing_value' : 'unknown_target_kind',
    message: `must be one of the targets there are: ${kinds.join(', ')}${hint}`,
  };
}
