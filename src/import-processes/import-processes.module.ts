import { Global, Injectable, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { KnownImportProcesses } from '../auth/principal.js';
import { TargetRegistry, TargetsModule } from '../targets/targets.module.js';
import { CurrentTargets } from '../workflows/definition/workflow-access.js';
import { ImportProcessesController, MappingsController } from './import-processes.controller.js';
import { CompiledImportProcesses, ImportProcessesService } from './import-processes.service.js';
import { RowDescriptions } from './row-descriptions.js';
import { SavedMappingsService } from './saved-mappings.service.js';
import { tryLock } from '../platform/database/advisory-locks.js';
import { DatabaseService, type Transaction } from '../platform/database/database.service.js';
import { SecretBox } from '../platform/secret-box.js';
import { selectTargetsOfKinds, updateTarget } from './import-processes.sql.js';

/**
 * Encrypts the secrets of all targets, those of earlier versions included, with the present key at every start; as
 * `SecretsAtRest` does for workflows.
 */
@Injectable()
class TargetSecretsAtRest implements OnApplicationBootstrap {
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

/** The services that other modules use. */
@Module({
  imports: [TargetsModule],
  providers: [
    CompiledImportProcesses,
    ImportProcessesService,
    RowDescriptions,
    SavedMappingsService,
    TargetSecretsAtRest,
  ],
  exports: [CompiledImportProcesses, ImportProcessesService, RowDescriptions, SavedMappingsService],
})
export class ImportProcessesModule {}

/** The routes. They have their own module because a process that only works on queues serves none of them. */
@Module({
  imports: [ImportProcessesModule],
  controllers: [ImportProcessesController, MappingsController],
  exports: [ImportProcessesModule],
})
export class ImportProcessesApiModule {}

/** Implements what auth and workflows need to know about import processes. Global, because both are layers below. */
@Global()
@Module({
  imports: [ImportProcessesModule],
  providers: [
    { provide: KnownImportProcesses, useExisting: ImportProcessesService },
    { provide: CurrentTargets, useExisting: ImportProcessesService },
  ],
  exports: [CurrentTargets, KnownImportProcesses],
})
export class KnownImportProcessesModule {}
