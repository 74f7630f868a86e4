import type { ProblemDetail } from '../common/domain.error.js';
import { jsonSchemaProblems } from '../common/json-schema-problems.js';
import { nearestName } from '../common/nearest-name.js';
import type { TargetRegistry } from '../targets/target-registry.js';
import type { ImportProcessInput } from './import-process.js';

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
