import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file on disk, ready to be uploaded. */
export async function fileOf(name: string, content: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'wiq-browser-')), name);
  await writeFile(path, content);
  return path;
}

const MEMBER_COLUMNS = [':UniqueId', ':Email', 'First Name', 'Level'];

export const csv = (rows: readonly (readonly string[])[], columns: readonly string[] = MEMBER_COLUMNS) =>
  [columns, ...rows].map((cells) => `${cells.join(',')}\r\n`).join('');

export const memberRow = (n: number, level = 'Fellow') => [
  `M-${n}`,
  `person${n}@example.org`,
  `First ${n}`,
  level,
];
