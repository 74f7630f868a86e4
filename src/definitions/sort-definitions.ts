import type { JsonObject, JsonValue } from '../common/json.js';
import type { FileProblem } from './definitions.error.js';
import type { DefinitionFile } from './read-definition-folder.js';

/** A file whose content is a JSON object of one kind. */
export interface SortedFile {
  file: string;
  content: JsonObject;
}

export interface SortedDefinitions {
  workflows: SortedFile[];
  importProcesses: SortedFile[];
  problems: FileProblem[];
}

/**
 * Tells workflows from import processes by what they have, not by their names or folders: an example can be loaded as
 * it is. Two files about one thing would make a version of it each at every start, so they are refused.
 */
export function sortDefinitions(files: readonly DefinitionFile[]): SortedDefinitions {
  const sorted: SortedDefinitions = { workflows: [], importProcesses: [], problems: [] };
  const firstOf = new Map<string, string>();
  for (const { file, content } of files) {
    const kind = kindOf(content);
    if (kind === null) {
      const message = 'is neither a workflow, which has "steps", nor an import process, which has "target"';
      sorted.problems.push({ file, pointer: '', message });
      continue;
    }
    const { name } = content as JsonObject;
    const thing = JSON.stringify([kind, name]);
    const first = firstOf.get(thing);
    if (first !== undefined && typeof name === 'string') {
      const message = `must be another name: ${first} is about ${JSON.stringify(name)} already`;
      sorted.problems.push({ file, pointer: '/name', message });
      continue;
    }
    firstOf.set(thing, file);
    sorted[kind].push({ file, content: content as JsonObject });
  }
  return sorted;
}

function kindOf(content: JsonValue): 'workflows' | 'importProcesses' | null {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return null;
  if ('target' in content) return 'importProcesses';
  return 'steps' in content ? 'workflows' : null;
}
