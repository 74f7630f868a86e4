import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Injectable, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { parseDocument } from 'yaml';
import type { ImportProcessInput } from '../import-processes/import-process.js';
import { ReplaceImportProcessDto } from '../import-processes/import-processes.dto.js';
import { ImportProcessesModule } from '../import-processes/import-processes.module.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { AppConfig } from '../platform/config/config.js';
import { DomainError, StartError } from '../platform/errors.js';
import { validateBody } from '../platform/http/validation.js';
import type { JsonObject, JsonValue } from '../platform/json/json-value.js';
import { readDefinition } from '../workflows/definition/definition-reader.js';
import { restoreSecrets } from '../workflows/definition/webhook-secrets.js';
import { WorkflowDefinitionsService } from '../workflows/definition/workflow-definitions.service.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';

/** A mistake in a file: its place (RFC 6901; empty for the whole file) and a sentence. */
interface FileProblem {
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
function readDefinitionFolder(folder: string): { files: DefinitionFile[]; problems: FileProblem[] } {
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
interface SortedFile {
  file: string;
  content: JsonObject;
}

interface SortedDefinitions {
  workflows: SortedFile[];
  importProcesses: SortedFile[];
  problems: FileProblem[];
}

/**
 * Distinguishes workflows from import processes by their members, not by names or folders, so that an example can be
 * loaded as it is. Two files with one definition would each make a version at every start, so they are refused.
 */
function sortDefinitions(files: readonly DefinitionFile[]): SortedDefinitions {
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

/** All parts that can be sent, as the type ensures; a stored import process has further ones. */
const IMPORT_PROCESS_PARTS: Record<keyof ImportProcessInput, true> = {
  name: true,
  description: true,
  note: true,
  icon: true,
  displayOrder: true,
  status: true,
  retentionDays: true,
  ordered: true,
  key: true,
  timeZone: true,
  allowWithoutIdentifier: true,
  priority: true,
  maxFailed: true,
  maxFailedPercent: true,
  target: true,
  recordSchema: true,
};

/** Whether a new version would differ from the stored one only in the order of members. */
function isSameImportProcess(wanted: ImportProcessInput, stored: ImportProcessInput): boolean {
  return (Object.keys(IMPORT_PROCESS_PARTS) as (keyof ImportProcessInput)[]).every(
    // A file without a key takes the one that was made from the name.
    (part) => wanted[part] === undefined || isDeepStrictEqual(wanted[part], stored[part]),
  );
}

const ACTOR = 'DEFINITIONS_DIR';
/** How often a definition can change while we work on it before we report it. */
const MOST_LOOKS = 10;

/**
 * Applies the files of DEFINITIONS_DIR to the database before the first request, by the services of the routes: new
 * definitions are created, changed ones become a new version. A missing file removes nothing. A mistake within a file
 * stops the start before anything is stored; an import process that does not fit its workflow stops it after the
 * workflows are stored.
 *
 * Processes that start at the same time need no lock: each change names the version it is based on, so one process makes
 * it, and the others look again and find nothing left to do.
 */
@Injectable()
class DefinitionsFolder implements OnModuleInit {
  private readonly logger = new Logger(DefinitionsFolder.name);

  constructor(
    private readonly config: AppConfig,
    private readonly workflows: WorkflowDefinitionsService,
    private readonly importProcesses: ImportProcessesService,
  ) {}

  async onModuleInit(): Promise<void> {
    const folder = this.config.definitionsDir;
    if (folder === undefined) return;
    const sorted = read(folder);
    // All mistakes within single files are found before anything is written.
    const problems = [
      ...sorted.problems,
      ...(await problemsOf(sorted.workflows, (content) => this.definition(content))),
      ...(await problemsOf(sorted.importProcesses, (content) => importProcess(content))),
    ];
    if (problems.length > 0) throw new DefinitionsError(folder, problems);
    // Import processes refer to workflows, so workflows come first.
    for (const work of [
      () => problemsOf(sorted.workflows, (content, file) => this.storeWorkflow(content, file)),
      () => problemsOf(sorted.importProcesses, (content, file) => this.storeImportProcess(content, file)),
    ]) {
      const refused = await work();
      if (refused.length > 0) throw new DefinitionsError(folder, refused);
    }
  }

  /** The definition as it would be stored, with the secrets that the file hides, and the current one. */
  private async definition(content: SortedFile['content']) {
    const current = typeof content.name === 'string' ? await this.workflows.find(content.name) : undefined;
    const source = current === undefined ? content : restoreSecrets(content, current.definition);
    return { current, ...readDefinition(source) };
  }

  private storeWorkflow(content: SortedFile['content'], file: string): Promise<void> {
    return untilSettled(async () => {
      const { current, definition, version } = await this.definition(content);
      const { name } = definition;
      if (current !== undefined && isDeepStrictEqual(definition, current.definition)) return;
      const stored =
        current === undefined
          ? await this.workflows.create(content, ACTOR)
          : await this.workflows.replace(name, { ...content, version: version ?? current.version }, ACTOR);
      this.report('workflow', name, stored.version, file);
    });
  }

  private storeImportProcess(content: SortedFile['content'], file: string): Promise<void> {
    const { version, ...input } = importProcess(content);
    return untilSettled(async () => {
      const current = (await this.importProcesses.listOpened()).find(({ name }) => name === input.name);
      if (current !== undefined && isSameImportProcess(input, current)) return;
      const stored =
        current === undefined
          ? await this.importProcesses.create(input, ACTOR)
          : await this.importProcesses.replace(current.id, input, ACTOR, version ?? current.version);
      this.report('import process', input.name, stored.version, file);
    });
  }

  private report(kind: string, name: string, version: number, file: string): void {
    this.logger.log({ message: `${kind} "${name}" is now as ${file} says`, version });
  }
}

function read(folder: string): SortedDefinitions {
  try {
    const { files, problems } = readDefinitionFolder(folder);
    const sorted = sortDefinitions(files);
    return { ...sorted, problems: [...problems, ...sorted.problems] };
  } catch (cause) {
    const message = `cannot be read: ${(cause as Error).message}`;
    throw new DefinitionsError(folder, [{ file: folder, pointer: '', message }], { cause });
  }
}

function importProcess(content: SortedFile['content']): ReplaceImportProcessDto {
  return validateBody(ReplaceImportProcessDto, content);
}

/** The refusals of each file. */
async function problemsOf(
  files: readonly SortedFile[],
  work: (content: SortedFile['content'], file: string) => unknown,
): Promise<FileProblem[]> {
  const problems: FileProblem[] = [];
  for (const { file, content } of files) {
    try {
      await work(content, file);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const { errors = [] } = error.options;
      if (errors.length === 0) problems.push({ file, pointer: '', message: error.message });
      for (const { pointer = '', message } of errors) problems.push({ file, pointer, message });
    }
  }
  return problems;
}

const MEANWHILE = ['workflow_name_taken', 'import_process_name_taken', 'version_conflict'];

/** Looks again when another process was faster, usually one that starts with the same files. */
async function untilSettled(work: () => Promise<void>): Promise<void> {
  for (let look = 1; ; look += 1) {
    try {
      return await work();
    } catch (error) {
      const isMeanwhile = error instanceof DomainError && MEANWHILE.includes(error.code);
      if (!isMeanwhile || look === MOST_LOOKS) throw error;
    }
  }
}

/** Configuration that is kept in files. */
@Module({
  imports: [ImportProcessesModule, WorkflowsModule],
  providers: [DefinitionsFolder],
})
export class DefinitionsModule {}
