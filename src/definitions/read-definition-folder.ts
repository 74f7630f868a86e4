import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { parseDocument } from 'yaml';
import type { JsonValue } from '../common/json.js';
import type { FileProblem } from './definitions.error.js';

const KINDS = ['.json', '.yaml', '.yml'];

/** What one file says, and its path below the folder, for messages. */
export interface DefinitionFile {
  file: string;
  content: JsonValue;
}

/**
 * The YAML and JSON files of the folder and those below it, by path. What begins with a dot is left aside, as the
 * versions are that a mounted ConfigMap keeps beside its links; so is what has another ending, such as demo data.
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
      // Not what the directory says of it: a link is followed.
      if (statSync(path).isDirectory()) return filesBelow(folder, path);
      return KINDS.includes(extname(name).toLowerCase()) ? [relative(folder, path)] : [];
    });
}

/** JSON is YAML too, but for tabs: what is called JSON is read as JSON. */
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
  // Through JSON, so that nothing is in it (dates, NaN) that the routes could not be sent.
  return JSON.parse(JSON.stringify(document.toJS() ?? null)) as JsonValue;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.replace(/:$/, '') ?? message;
}
