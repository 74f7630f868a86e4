import type { Command } from 'commander';
import type { ClientApiKey } from '../client/index.js';
import { findImportProcess } from './connection.js';
import { EXIT, type Running, wholeNumber } from './session.js';

interface CreateOptions {
  permission: string[];
  process?: string[];
  expires?: string;
}

/** `keys list`, `keys create` and `keys revoke`. */
export function addKeyCommands(root: Command, running: Running): void {
  const keys = root.command('keys').description('list, create and revoke API keys');
  keys
    .command('list')
    .description('list the keys')
    .action(
      running(async ({ client, terminal }) => {
        for (const key of await client.apiKeys()) terminal.result(describeKey(key), key);
        return EXIT.ok;
      }),
    );
  keys
    .command('create')
    .description('create a key, which is shown once')
    .argument('<name>', 'who uses the key')
    .requiredOption(
      '--permission <permission...>',
      'BeginWorkflowImportProcess, ViewImports, ManageImports, …',
    )
    .option('--process <process...>', 'the only import processes that it may use')
    .option('--expires <time>', 'when it stops working, for example 2027-01-31T00:00:00Z')
    .action(
      running(async ({ client, terminal }, name: string, { permission, process, expires }: CreateOptions) => {
        const importProcessIds =
          process && (await Promise.all(process.map((each) => findImportProcess(client, each))));
        const created = await client.createApiKey({
          ...{ name, permissions: permission, importProcessIds, expiresAt: expires },
        });
        terminal.note(`Key ${created.id} is shown only here:`);
        terminal.result(created.key, created);
        return EXIT.ok;
      }),
    );
  keys
    .command('revoke')
    .description('revoke a key at once')
    .argument('<key>', 'id of the key', wholeNumber)
    .action(
      running(async ({ client, terminal }, id: number) => {
        await client.revokeApiKey(id);
        terminal.note(`Key ${id} no longer works.`);
        return EXIT.ok;
      }),
    );
}

function describeKey({ id, name, permissions, importProcessIds, lastUsedAt }: ClientApiKey): string {
  const limit = importProcessIds === null ? '' : `, import processes ${importProcessIds.join(', ')}`;
  return `${id}  ${name}  ${permissions.join(', ')}${limit}  last used ${lastUsedAt ?? 'never'}`;
}
