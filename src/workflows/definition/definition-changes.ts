import type { WorkflowDefinition } from '../definition.js';

/** A part that two versions have in common, and the members in which they differ: `options`, `rules`. */
interface ChangedPart {
  name: string;
  members: string[];
}

/** What a version changed: names of attributes, identifiers, steps and actions. */
export interface DefinitionChanges {
  added: string[];
  removed: string[];
  changed: ChangedPart[];
}

/** The parts in which two versions of a definition differ. The parts of a step are its own. */
export function definitionChanges(before: WorkflowDefinition, after: WorkflowDefinition): DefinitionChanges {
  const earlier = partsOf(before);
  const later = partsOf(after);
  return {
    added: [...later.keys()].filter((name) => !earlier.has(name)),
    removed: [...earlier.keys()].filter((name) => !later.has(name)),
    changed: [...later].flatMap(([name, part]) => {
      const members = changedMembers(earlier.get(name) ?? part, part);
      return members.length === 0 ? [] : [{ name, members }];
    }),
  };
}

function partsOf({
  identifiers,
  attributes,
  steps,
  title,
  entityType,
}: WorkflowDefinition): Map<string, object> {
  return new Map<string, object>([
    ['', { title, entityType }],
    ...identifiers.map((part) => [part.name, part] as const),
    ...attributes.map((part) => [part.name, part] as const),
    ...steps.flatMap(({ actions, ...step }) => [
      [`${step.name} ›`, step] as const,
      ...actions.map((action) => [`${step.name} › ${action.name}`, action] as const),
    ]),
  ]);
}

function changedMembers(before: object, after: object): string[] {
  const earlier = new Map<string, unknown>(Object.entries(before));
  const later = new Map<string, unknown>(Object.entries(after));
  return [...new Set([...earlier.keys(), ...later.keys()])].filter(
    (member) => JSON.stringify(earlier.get(member)) !== JSON.stringify(later.get(member)),
  );
}
