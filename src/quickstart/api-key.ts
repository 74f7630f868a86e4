import type { INestApplication } from '@nestjs/common';
import { ApiKeysService } from '../auth/api-keys.service.js';
import { PERMISSIONS } from '../auth/permissions.js';
import type { Principal } from '../auth/principal.js';
import type { AppConfig } from '../config/config.js';
import { ApiClient } from './api-client.js';
import type { QuickstartSecrets } from './quickstart-secrets.js';

const QUICKSTART: Principal = {
  id: 'quickstart',
  name: 'Quickstart',
  permissions: PERMISSIONS,
  importProcessIds: null,
  administrator: true,
};

/** A key that works: the bootstrap key if one is set, that of an earlier run, or a new one. */
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

/** It may have been revoked, or the database may be another one by now. */
async function works(url: string, key: string): Promise<boolean> {
  const { status } = await new ApiClient(url, key).call('GET', '/API/ApiKeys');
  return status === 200;
}
