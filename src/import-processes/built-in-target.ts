import { DomainError } from '../common/domain.error.js';
import type { TargetRegistry } from '../targets/target-registry.js';
import type { RecordTarget } from '../targets/target.js';

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
