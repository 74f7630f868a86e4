import { PERMISSIONS } from '../auth/permissions.js';
import type { AppConfig } from '../config/config.js';
import { ApiClient } from './api-client.js';
import type { QuickstartSecrets } from './quickstart-secrets.js';

/** A key that works: the bootstrap key if one is set, that of an earlier run, or a new one. */
export async function ensureApiKey(
  url: string,
  config: AppConfig,
  secrets: QuickstartSecrets,
): Promise<string> {
  if (config.bootstrapApiKey !== undefined) return config.bootstrapApiKey;
  if (secrets.apiKey !== undefined && (await works(url, secrets.apiKey))) return secrets.apiKey;
  const administrator = ApiClient.signedIn(
    url,
    config.bootstrapAdminEmail ?? '',
    config.bootstrapAdminPassword ?? '',
  );
  const { key } = await administrator.post<{ key: string }>('/API/ApiKeys', {
    name: 'Quickstart',
    permissions: PERMISSIONS,
  });
  secrets.keepApiKey(key);
  return key;
}

/** It may have been revoked, or the database may be another one by now. */
async function works(url: string, key: string): Promise<boolean> {
  const { status } = await ApiClient.withKey(url, key).call('GET', '/API/ApiKeys');
  return status === 200;
}
