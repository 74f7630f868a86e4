import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureWritableDirectory } from '../embedded/data-directory.js';

/** What a second quickstart must know of the first; only the user who started it may read the file. */
export class QuickstartSecrets {
  private constructor(
    readonly file: string,
    private knownKey: string | undefined,
  ) {}

  static load(dataDir: string): QuickstartSecrets {
    const file = join(ensureWritableDirectory(dataDir), 'quickstart.json');
    const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Kept>) : {};
    return new QuickstartSecrets(file, kept.apiKey);
  }

  /** Of an earlier run; it may have been revoked since. */
  get apiKey(): string | undefined {
    return this.knownKey;
  }

  keepApiKey(key: string): void {
    this.knownKey = key;
    this.save();
  }

  private save(): void {
    const kept: Kept = { apiKey: this.knownKey };
    writeFileSync(this.file, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600 });
  }
}

interface Kept {
  apiKey: string | undefined;
}
