import type { ProblemDetail } from '../platform/domain-error.js';
import { jsonSchemaProblems } from '../platform/json/json-schema-problems.js';
import { nearestName } from '../platform/wording.js';
import type { RecordTarget } from '../records/target.js';
import type { TargetRegistry } from '../targets/target-registry.js';
import { targetNotBuiltIn } from './import-process.errors.js';
import type { ImportProcessInput } from './import-process.js';

/**
 * The target of a stored import process.
 * @throws DomainError 409 `target_not_built_in`
 */
export function builtInTarget(targets: TargetRegistry, kind: string): RecordTarget {
  const target = targets.find(kind);
  if (target === undefined) throw targetNotBuiltIn(kind, targets.kinds);
  return target;
}

/** Everything that makes an import process unusable, each with its place in what was sent. */
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
  // A target may check the schema too; its message about a place is more specific.
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
    message: `must be one of the built-in targets: ${kinds.join(', ')}${hint}`,
  };
}
