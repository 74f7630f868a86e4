import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { ApiKeysService } from '../../src/auth/api-keys.service.js';
import { FirstAdministrator } from '../../src/auth/bootstrap.js';
import { PERMISSIONS, type Principal } from '../../src/auth/principal.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import { ensureWritableDirectory } from '../embedded/data-directory.js';
import { ApiClient } from './api-client.js';

/** What a second quickstart needs from the first; only the user who started it may read the file. */
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

  /** From an earlier run; it may have been revoked since. */
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

const QUICKSTART: Principal = {
  id: 'quickstart',
  name: 'Quickstart',
  permissions: PERMISSIONS,
  importProcessIds: null,
  administrator: true,
};

/** A key that works: the bootstrap key if it is set, the key of an earlier run, or a new one. */
export async function ensureApiKey(
  url: string,
  app: INestApplication,
  config: AppConfig,
  secrets: QuickstartSecrets,
): Promise<string> {
  if (config.bootstrapApiKey !== undefined) return config.bootstrapApiKey;
  if (secrets.apiKey !== undefined && (await works(url, secrets.apiKey))) return secrets.apiKey;
  const keys = app.get(ApiKeysService, { strict: false });
  const { key } = await keys.create({ name: 'Quickstart', permissions: [...PERMISSIONS] }, QUICKSTART);
  secrets.keepApiKey(key);
  return key;
}

/** The key may have been revoked, or the database may have been replaced. */
async function works(url: string, key: string): Promise<boolean> {
  const { status } = await new ApiClient(url, key).call('GET', '/API/ApiKeys');
  return status === 200;
}

/**
 * Creates an administrator if no one can sign in yet. Returns how to sign in: the password is shown only this once and
 * stored nowhere, so only its reader knows it until someone changes it.
 */
export async function ensureAdministrator(app: INestApplication, config: AppConfig): Promise<string> {
  if (config.bootstrapAdminEmail !== undefined)
    return `${config.bootstrapAdminEmail} with the password you set`;
  const made = await app.get(FirstAdministrator, { strict: false }).createIfAlone('admin@example.org');
  if (made === null) return 'whom you have; the first password was shown once, by the first quickstart';
  return `${made.email} with ${made.password} (shown this once)`;
}
