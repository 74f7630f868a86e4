import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { parseDocument } from 'yaml';
import { StartError } from '../platform/errors.js';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';

/** A mistake in a file: its place (RFC 6901; empty for the whole file) and a sentence. */
export interface FileProblem {
  file: string;
  pointer: string;
  message: string;
}

/** The files of DEFINITIONS_DIR cannot be applied; the message has one line per mistake. */
export class DefinitionsError extends StartError {
  override readonly name = 'DefinitionsError';

  constructor(folder: string, problems: readonly FileProblem[], options?: ErrorOptions) {
    const lines = problems.map(({ file, pointer, message }) =>
      ['  -', file, ...(pointer === '' ? [] : [pointer]), message].join(' '),
    );
    super(`The definitions in ${folder} (DEFINITIONS_DIR) are not valid:\n${lines.join('\n')}`, options);
  }
}

const FILE_KINDS = ['.json', '.yaml', '.yml'];

/** The content of one file, and its path below the folder for messages. */
interface DefinitionFile {
  file: string;
  content: JsonValue;
}

/**
 * The YAML and JSON files in the folder and below it, by path. Names that begin with a dot are skipped, such as the
 * versions that a mounted ConfigMap keeps beside its links; so are files with other extensions, such as demo data.
 */
export function readDefinitionFolder(folder: string): { files: DefinitionFile[]; problems: FileProblem[] } {
  const files: DefinitionFile[] = [];
  const problems: FileProblem[] = [];
  for (const file of filesBelow(folder, folder)) {
    const read = readDefinitionFile(readFileSync(join(folder, file), 'utf8'), file);
    if ('content' in read) files.push(read);
    else problems.push(read);
  }
  return { files, problems };
}

function filesBelow(folder: string, directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      // Follows links, unlike the type in the directory entry.
      if (statSync(path).isDirectory()) return filesBelow(folder, path);
      return FILE_KINDS.includes(extname(name).toLowerCase()) ? [relative(folder, path)] : [];
    });
}

/** JSON is YAML except for tabs, so a .json file is read as JSON. */
function readDefinitionFile(text: string, file: string): DefinitionFile | FileProblem {
  try {
    return { file, content: extname(file).toLowerCase() === '.json' ? fromJson(text) : fromYaml(text) };
  } catch (error) {
    return { file, pointer: '', message: `cannot be read: ${firstLine((error as Error).message)}` };
  }
}

function fromJson(text: string): JsonValue {
  return JSON.parse(text.replace(/^\uFEFF/, '')) as JsonValue;
}

function fromYaml(text: string): JsonValue {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw error;
  // Through JSON, so that it contains nothing that the routes could not receive (dates, NaN).
  return JSON.parse(JSON.stringify(document.toJS() ?? null)) as JsonValue;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.replace(/:$/, '') ?? message;
}

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
 * Distinguishes workflows from import processes by their members, not by names or folders, so that an example can be
 * loaded as it is. Two files with one definition would each make a version at every start, so they are refused.
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
      const message = `must be another name: ${first} already defines ${JSON.stringify(name)}`;
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
