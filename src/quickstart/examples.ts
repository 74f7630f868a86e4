import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Beside `dist`; documented there for those who do the same with curl. */
const EXAMPLES = new URL('../../examples/', import.meta.url);

/** One file of an example, and the import process it is for. */
export interface ExampleImport {
  process: string;
  data: string;
}

export interface Example {
  folder: string;
  /** In the order in which they make sense. */
  imports: readonly ExampleImport[];
}

export const MEMBER_ROLES: Example = {
  folder: 'member-roles',
  imports: [{ process: 'import-process.json', data: 'members.jsonl' }],
};

/** What quickstart shows besides. */
export const OTHER_EXAMPLES: readonly Example[] = [
  {
    folder: 'applications',
    imports: [
      { process: 'open-applications.json', data: 'applications.jsonl' },
      { process: 'import-process.json', data: 'decisions.jsonl' },
    ],
  },
  {
    folder: 'activities',
    imports: [{ process: 'import-process.json', data: 'activities.jsonl' }],
  },
];

export function exampleFile({ folder }: Example, file: string): string {
  return fileURLToPath(new URL(`${folder}/${file}`, EXAMPLES));
}

export async function readExample<Content>(example: Example, file: string): Promise<Content> {
  return JSON.parse(await readFile(exampleFile(example, file), 'utf8')) as Content;
}
