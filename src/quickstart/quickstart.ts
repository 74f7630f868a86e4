import 'reflect-metadata';
import type { AppConfig } from '../config/config.js';
import { loadConfig, loadConfigWithDefaults } from '../config/load-config.js';
import { freePort } from '../embedded/free-port.js';
import { startService } from '../start.js';
import { explainStartFailure } from '../start-failure.js';
import { stopOnSignal } from '../stop-on-signal.js';
import { ensureApiKey } from './api-key.js';
import { ApiClient } from './api-client.js';
import { showExamples } from './demo.js';
import { QuickstartSecrets } from './quickstart-secrets.js';
import { describeImport, describeService } from './summary.js';

/**
 * From nothing to a finished import that can be looked at. With `--once` it ends there: exit code 0 when
 * the import completed.
 */
async function quickstart(once: boolean): Promise<void> {
  const secrets = QuickstartSecrets.load(loadConfig().dataDir);
  const config = await quickstartConfig(secrets);
  const service = await startService(config);
  if (!once) stopOnSignal(() => service.stop());
  try {
    const key = await ensureApiKey(service.url, config, secrets);
    const client = ApiClient.withKey(service.url, key);
    const { batch, importProcessId, others } = await showExamples(client);
    for (const each of [...others, batch]) console.log(describeImport(each));
    if (!['completed', 'completed_with_errors'].includes(batch.status)) process.exitCode = 1;
    if (!once) console.log(describeService({ config, secrets, key, batch, importProcessId }));
  } catch (error) {
    await service.stop();
    throw error;
  }
  if (once) {
    await service.stop();
    process.exit();
  }
}

/** What a newcomer would otherwise have to set first. */
async function quickstartConfig(secrets: QuickstartSecrets): Promise<AppConfig> {
  return loadConfigWithDefaults({
    PORT: String(await freePort(3000)),
    LOG_LEVEL: 'warn',
    BOOTSTRAP_ADMIN_EMAIL: 'admin@example.org',
    BOOTSTRAP_ADMIN_PASSWORD: secrets.adminPassword,
  });
}

try {
  await quickstart(process.argv.includes('--once'));
} catch (error) {
  console.error(explainStartFailure(error));
  process.exit(1);
}
