import { Injectable } from '@nestjs/common';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { text } from '../texts/catalogue.js';

/** The field that limits a key or a user to file types. `value` is the id of the import process. */
interface FileTypeOption {
  value: string;
  text: string;
  checked: boolean;
}

/** The texts of the form field `importProcessIds`, in which a single ticked checkbox arrives as one text. */
export function tickedFileTypes(form: unknown): string[] {
  const { importProcessIds } = (form ?? {}) as { importProcessIds?: unknown };
  return [importProcessIds ?? []].flat().filter((each) => typeof each === 'string');
}

/** What the ticked file types mean: none ticked is no limit. */
export const limitOf = (ticked: readonly string[]): number[] | null =>
  ticked.length === 0 ? null : ticked.map(Number);

/** Names the file types that a key or a user is limited to. */
@Injectable()
export class FileTypeLimits {
  constructor(private readonly importProcesses: ImportProcessesService) {}

  /** All file types, and the deleted ones that are ticked, so that saving the form does not widen the limit. */
  async options(ticked: readonly string[]): Promise<FileTypeOption[]> {
    const names = await this.names();
    const gone = ticked.filter((value) => /^\d{1,15}$/.test(value) && !names.has(Number(value)));
    return [
      ...[...names].map(([id, name]) => ({
        value: String(id),
        text: name,
        checked: ticked.includes(String(id)),
      })),
      ...gone.map((value) => ({ value, text: nameOfDeleted(Number(value)), checked: true })),
    ];
  }

  /** Names a limit; `null` for no limit. */
  async namer(): Promise<(importProcessIds: readonly number[] | null) => string[] | null> {
    const names = await this.names();
    return (ids) => ids?.map((id) => names.get(id) ?? nameOfDeleted(id)) ?? null;
  }

  private async names(): Promise<ReadonlyMap<number, string>> {
    return new Map((await this.importProcesses.list()).map(({ id, name }) => [id, name]));
  }
}

const nameOfDeleted = (id: number) => text('accounts.fileTypeGone', { id });
