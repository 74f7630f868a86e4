import 'reflect-metadata';
import { stopOnSignal } from '../../src/app/process.js';
import { loadConfig, loadConfigWithDefaults } from '../../src/platform/config/config-loader.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import { explainStartFailure } from '../../src/platform/errors.js';
import { freePort } from '../embedded/child-server.js';
import { startWithServers } from '../service.js';
import { ApiClient } from './api-client.js';
import { ensureAdministrator, ensureApiKey, QuickstartSecrets } from './credentials.js';
import { showExamples } from './demo.js';
import { describeImport, describeService } from './summary.js';

/**
 * Runs from an empty system to a finished import that the user can look at. With `--once` it ends there: exit code 0
 * when the import completed.
 */
async function quickstart(once: boolean): Promise<void> {
  const secrets = QuickstartSecrets.load(loadConfig().dataDir);
  const config = await quickstartConfig();
  const service = await startWithServers(config);
  if (!once) stopOnSignal(() => service.stop());
  try {
    const key = await ensureApiKey(service.url, service.app, config, secrets);
    const { batch, importProcessId, others } = await showExamples(new ApiClient(service.url, key));
    for (const each of [...others, batch]) console.log(describeImport(each));
    if (!['completed', 'completed_with_errors'].includes(batch.status)) process.exitCode = 1;
    if (!once) {
      const signIn = await ensureAdministrator(service.app, config);
      console.log(describeService({ config, secrets, key, signIn, batch, importProcessId }));
    }
  } catch (error) {
    await service.stop();
    throw error;
  }
  if (once) {
    await service.stop();
    process.exit();
  }
}

/** The configuration that a newcomer would otherwise have to set first. */
async function quickstartConfig(): Promise<AppConfig> {
  return loadConfigWithDefaults({
    PORT: String(await freePort(3000)),
    LOG_LEVEL: 'warn',
  });
}

try {
  await quickstart(process.argv.includes('--once'));
} catch (error) {
  console.error(explainStartFailure(error));
  process.exit(1);
}
