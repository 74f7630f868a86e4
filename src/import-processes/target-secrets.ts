import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { SecretBox } from '../platform/secret-box.js';
import { TargetRegistry } from '../targets/targets.module.js';
import { selectTargetsOfKinds, updateTarget } from './import-processes.sql.js';

/**
 * Encrypts the secrets of all targets, those of earlier versions included, with the present key at every start; as
 * `SecretsAtRest` does for workflows.
 */
@Injectable()
export class TargetSecretsAtRest implements OnApplicationBootstrap {
  private readonly logger = new Logger(TargetSecretsAtRest.name);

  constructor(
    private readonly database: DatabaseService,
    private readonly targets: TargetRegistry,
    private readonly secrets: SecretBox,
  ) {}

  /** A start does not fail because of secrets: everything else works without them. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      const sealed = await this.database.transaction((transaction) => this.sealAll(transaction));
      if (sealed > 0) this.logger.log(`The secrets of ${sealed} targets are encrypted with the present key.`);
    } catch (error) {
      this.logger.error('Stored secrets of targets could not be encrypted', error);
    }
  }

  /** Returns how many versions changed. Another process may be at it. */
  private async sealAll(transaction: Transaction): Promise<number> {
    const kinds = this.targets.kinds.filter((kind) => this.targets.find(kind)?.seal !== undefined);
    if (!(await tryLock(transaction, 'targetSecrets'))) return 0;
    const stored = await selectTargetsOfKinds(transaction, kinds);
    if (!this.secrets.hasKey) {
      if (stored.length > 0)
        this.logger.warn(
          'URLs and secrets of targets are stored in clear. Set SECRETS_KEY or SESSION_SECRET.',
        );
      return 0;
    }
    let sealed = 0;
    for (const { id, version, target } of stored) {
      const kind = this.targets.find(target.kind);
      if (kind?.seal === undefined || kind.isSealed?.(target)) continue;
      try {
        await updateTarget(transaction, { id, version, target: kind.seal(target) });
        sealed += 1;
      } catch (error) {
        this.logger.error(`Version ${version} of import process ${id}: ${String(error)}`);
      }
    }
    return sealed;
  }
}
