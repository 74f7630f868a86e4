import { identifierKey } from '../../workflows/rows/identifier-key.js';
import type { WorkflowDefinition } from '../../workflows/definition.js';
import type { StoredInstance } from './instance-state.js';
import type { Match, ResolutionRules } from './resolve-rows.js';

/**
 * By what else the instances are known that rows have found. An earlier row of the batch may be about one of them by
 * an identifier that these rows do not have.
 */
export function otherOrderingKeys(
  matches: readonly Match[],
  fold: ResolutionRules['fold'],
  { identifiers }: Pick<WorkflowDefinition, 'identifiers'>,
): string[] {
  const foundBy = new Set<string>();
  const instances = new Set<StoredInstance>();
  for (const { name, value, instance } of matches) {
    foundBy.add(identifierKey(name, value));
    if (instance !== null) instances.add(instance);
  }
  const others: string[] = [];
  for (const { attributes } of instances) {
    for (const { name } of identifiers) {
      const written = attributes[name];
      if (typeof written !== 'string') continue;
      const key = identifierKey(name, fold(name, written));
      if (!foundBy.has(key)) others.push(key);
    }
  }
  return others;
}
