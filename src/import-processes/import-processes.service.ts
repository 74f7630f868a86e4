import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { assertMayUse } from '../auth/access.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import type { KnownImportProcesses, Principal } from '../auth/principal.js';
import { PromiseCache } from '../platform/concurrency.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { isForeignKeyViolation, isUniqueViolation } from '../platform/database/postgres-errors.js';
import type { ProblemDetail } from '../platform/errors.js';
import { assertMeets, type VersionCondition } from '../platform/http/answers.js';
import { jsonSchemaProblems } from '../platform/json/json-schema.js';
import { nearestName } from '../platform/wording.js';
import type { RecordTarget, TargetConfiguration } from '../records/target.js';
import { TargetRegistry } from '../targets/targets.module.js';
import type { CurrentTargets } from '../workflows/definition/workflow-access.js';
import { ImportProcessEntity, ImportProcessVersionEntity } from './entities.js';
import {
  importProcessChangedMeanwhile,
  importProcessDisabled,
  importProcessInUse,
  importProcessKeyTaken,
  importProcessNameTaken,
  importProcessNotFound,
  importProcessUnusable,
  invalidImportProcess,
  targetNotBuiltIn,
} from './import-process.errors.js';
import {
  type CompiledImportProcess,
  type ImportProcess,
  type ImportProcessInput,
  keyFrom,
  type PinnedImportProcess,
} from './import-process.js';
import {
  freeKey,
  type ImportProcessVersion,
  selectCurrentTargets,
  selectIdOfKey,
  selectImportProcesses,
  selectUnknownIds,
  selectVersions,
  updateDisplayOrder,
} from './import-processes.sql.js';

/**
 * The target of a stored import process.
 * @throws DomainError 409 `target_not_built_in`
 */
export function builtInTarget(targets: TargetRegistry, kind: string): RecordTarget {
  const target = targets.find(kind);
  if (target === undefined) throw targetNotBuiltIn(kind, targets.kinds);
  return target;
}

/** Every problem that makes an import process unusable, each with its place in the request body. */
async function importProcessProblems(
  { target, recordSchema }: Pick<ImportProcessInput, 'target' | 'recordSchema'>,
  targets: TargetRegistry,
): Promise<ProblemDetail[]> {
  const ofSchema = (recordSchema === null ? [] : jsonSchemaProblems(recordSchema)).map(
    ({ pointer, code, message }) => ({ pointer: `/recordSchema${pointer}`, code, message }),
  );
  const known: unknown = target.kind;
  const chosen = typeof known === 'string' ? targets.find(known) : undefined;
  if (chosen === undefined) return [unknownKind(known, targets.kinds), ...ofSchema];
  const ofTarget = await chosen.validate(target, recordSchema);
  // A target may check the schema too; its message about a place is then the more specific one.
  return [
    ...ofTarget,
    ...ofSchema.filter(({ pointer }) => !ofTarget.some((each) => each.pointer === pointer)),
  ];
}

function unknownKind(kind: unknown, kinds: readonly string[]): ProblemDetail {
  const nearest = typeof kind === 'string' ? nearestName(kind, kinds) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return {
    pointer: '/target/kind',
    code: kind === undefined ? 'missing_value' : 'unknown_target_kind',
    message: `must be one of the built-in targets: ${kinds.join(', ')}${hint}`,
  };
}

/** Import processes and their versions. */
@Injectable()
export class ImportProcessesService implements CurrentTargets, KnownImportProcesses {
  constructor(
    private readonly database: DatabaseService,
    private readonly targets: TargetRegistry,
  ) {}

  /** The current version of every import process, by display order. Secrets of targets are hidden. */
  async list(): Promise<ImportProcess[]> {
    return (await selectImportProcesses(this.database)).map((process) => this.shown(process));
  }

  /** The same with the secrets, for comparisons. */
  async listOpened(): Promise<ImportProcess[]> {
    const opened = (target: TargetConfiguration) =>
      this.targets.find(target.kind)?.opened?.(target) ?? target;
    const processes = await selectImportProcesses(this.database);
    return processes.map((process) => ({ ...process, target: opened(process.target) }));
  }

  unknownOf(ids: readonly number[]): Promise<number[]> {
    return selectUnknownIds(this.database, ids);
  }

  currentTargets(ids: readonly number[]): Promise<TargetConfiguration[]> {
    return selectCurrentTargets(this.database, ids);
  }

  /** @throws DomainError 404 `import_process_not_found` */
  async get(id: number): Promise<ImportProcess> {
    return this.shown(await this.stored(id));
  }

  private async stored(id: number): Promise<ImportProcess> {
    const [found] = await selectImportProcesses(this.database, id);
    if (found === undefined) throw importProcessNotFound(id);
    return found;
  }

  /**
   * The id that a path or a parameter names: an id, or the key of an import process.
   * @throws DomainError 404 `import_process_not_found`
   */
  async idOf(idOrKey: number | string): Promise<number> {
    const id = typeof idOrKey === 'number' ? idOrKey : await selectIdOfKey(this.database, idOrKey);
    if (id === null) throw importProcessNotFound(idOrKey);
    return id;
  }

  private shown<Version extends { target: TargetConfiguration }>(version: Version): Version {
    const { target } = version;
    return { ...version, target: this.targets.find(target.kind)?.shown?.(target) ?? target };
  }

  private sealed(input: ImportProcessInput): ImportProcessInput {
    return { ...input, target: this.targets.find(input.target.kind)?.seal?.(input.target) ?? input.target };
  }

  /** @throws DomainError 400 `invalid_import_process`, 409 `import_process_name_taken`, `import_process_key_taken` */
  async create(input: ImportProcessInput, actor: string): Promise<ImportProcess> {
    await this.refuseUnusable(input);
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const key = input.key ?? (await freeKey(transaction, keyFrom(input.name)));
      const process = manager.create(ImportProcessEntity, { ...appearance(input), key, currentVersion: 1 });
      await refuseTaken(input, manager.insert(ImportProcessEntity, process));
      await insertVersion(manager, process.id, 1, this.sealed(input), actor);
      await note(transaction, actor, 'import_process_created', process.id, { name: input.name, version: 1 });
      const [created] = await selectImportProcesses(transaction, process.id);
      if (created === undefined) throw importProcessNotFound(process.id);
      return this.shown(created);
    });
  }

  /**
   * Creates a new version; running batches keep theirs. The row lock makes two concurrent calls take turns, and each
   * creates a version. `expected` is the version that the caller edited, if stated. Hidden secrets stand for those that
   * are stored.
   * @throws DomainError 400 `invalid_import_process`, 404 `import_process_not_found`,
   *   409 `import_process_name_taken` or `version_conflict`, 412 `precondition_failed`
   */
  async replace(
    id: number,
    sent: ImportProcessInput,
    actor: string,
    expected?: number,
    condition?: VersionCondition,
  ): Promise<ImportProcess> {
    const input = await this.restored(id, sent);
    await this.refuseUnusable(input);
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const found = await manager.findOne(ImportProcessEntity, {
        where: { id },
        lock: { mode: 'pessimistic_write' },
      });
      if (found === null) throw importProcessNotFound(id);
      assertMeets(condition, found.currentVersion);
      if (expected !== undefined && expected !== found.currentVersion) {
        throw importProcessChangedMeanwhile(id, expected, found.currentVersion);
      }
      const version = found.currentVersion + 1;
      await insertVersion(manager, id, version, this.sealed(input), actor);
      await refuseTaken(
        input,
        manager.update(
          ImportProcessEntity,
          { id },
          {
            ...appearance(input),
            ...(input.key !== undefined && { key: input.key }),
            ...{ currentVersion: version, updatedAt: () => 'now()' },
          },
        ),
      );
      await note(transaction, actor, 'import_process_changed', id, { name: input.name, version });
      const [replaced] = await selectImportProcesses(transaction, id);
      if (replaced === undefined) throw importProcessNotFound(id);
      return this.shown(replaced);
    });
  }

  /** Newest first, at most `limit`. */
  async versions(id: number, limit: number): Promise<ImportProcessVersion[]> {
    return (await selectVersions(this.database, id, limit)).map((version) => this.shown(version));
  }

  /**
   * Swaps the import process with the one shown before or after it; does nothing at the ends of the list.
   * @throws DomainError 404 `import_process_not_found`
   */
  async move(id: number, direction: 'up' | 'down', actor: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      // Two concurrent calls take turns.
      await transaction.query('LOCK TABLE import_process IN SHARE ROW EXCLUSIVE MODE');
      const ids = (await selectImportProcesses(transaction)).map((process) => process.id);
      const from = ids.indexOf(id);
      if (from === -1) throw importProcessNotFound(id);
      const to = direction === 'up' ? from - 1 : from + 1;
      const neighbour = ids[to];
      if (neighbour === undefined) return;
      ids[to] = id;
      ids[from] = neighbour;
      await updateDisplayOrder(transaction, ids);
      await note(transaction, actor, 'import_process_moved', id, { direction });
    });
  }

  /**
   * The foreign key from batches decides, so that no batch that starts at the same time is overlooked.
   * @throws DomainError 404 `import_process_not_found`, 409 `import_process_in_use`
   */
  async delete(id: number, actor: string): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { rowCount } = await transaction
        .query('DELETE FROM import_process WHERE import_process_id = $1', [id])
        .catch((error: unknown) => {
          throw isForeignKeyViolation(error) ? importProcessInUse(id, error) : error;
        });
      if (rowCount === 0) throw importProcessNotFound(id);
      await note(transaction, actor, 'import_process_deleted', id);
    });
  }

  /**
   * Returns the import process as a batch that starts now uses it until the batch ends.
   * @throws DomainError 404 `import_process_not_found`, 409 `import_process_disabled`
   */
  async pin(id: number): Promise<PinnedImportProcess> {
    const process = await this.stored(id);
    if (process.status === 'disabled') throw importProcessDisabled(id, process.name);
    return this.pinned(process);
  }

  /**
   * Like `pin`, but also accepts a disabled import process: for reading, not for starting a batch.
   * @throws DomainError 404 `import_process_not_found`
   */
  async pinCurrent(id: number): Promise<PinnedImportProcess> {
    return this.pinned(await this.stored(id));
  }

  private async pinned(process: ImportProcess): Promise<PinnedImportProcess> {
    const { id, version, name, ordered, priority, maxFailed, maxFailedPercent, target, recordSchema } =
      process;
    const { timeZone, allowWithoutIdentifier } = process;
    const { workflowVersion } = await builtInTarget(this.targets, target.kind).pin(target);
    return {
      ...{ id, version, name, ordered, priority, maxFailed, maxFailedPercent },
      ...{ target, recordSchema, workflowVersion, timeZone, allowWithoutIdentifier },
    };
  }

  private async restored(id: number, sent: ImportProcessInput): Promise<ImportProcessInput> {
    const target = this.targets.find(sent.target.kind);
    if (target?.restored === undefined) return sent;
    const stored = await this.stored(id);
    if (stored.target.kind !== target.kind) return sent;
    return { ...sent, target: target.restored(sent.target, stored.target) };
  }

  private async refuseUnusable(input: ImportProcessInput): Promise<void> {
    const problems = await importProcessProblems(input, this.targets);
    if (problems.length > 0) throw invalidImportProcess(problems);
  }
}

const note = (sql: Sql, actor: string, action: string, id: number, details?: Record<string, unknown>) =>
  writeAudit(sql, { actor, action, subject: `import-process:${id}`, details });

function appearance(input: ImportProcessInput) {
  const { name, description, note, icon, displayOrder, status, retentionDays } = input;
  return { name, description, note, icon, displayOrder, status, retentionDays };
}

async function insertVersion(
  manager: EntityManager,
  importProcessId: number,
  version: number,
  { name, target, recordSchema, ordered, ...input }: ImportProcessInput,
  createdBy: string,
): Promise<void> {
  const { priority, maxFailed, maxFailedPercent, timeZone, allowWithoutIdentifier } = input;
  const control = { ordered, priority, maxFailed, maxFailedPercent, timeZone, allowWithoutIdentifier };
  const row = { importProcessId, version, name, target, recordSchema, ...control, createdBy };
  await manager.save(manager.create(ImportProcessVersionEntity, row), { reload: false });
}

async function refuseTaken({ name, key = '' }: ImportProcessInput, write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!isUniqueViolation(error)) throw error;
    const { constraint } = error as { constraint?: string };
    throw constraint === 'import_process_key_key'
      ? importProcessKeyTaken(key, error)
      : importProcessNameTaken(name, error);
  });
}

/** More versions than a process ever uses at one time; compiling one again takes milliseconds. */
const CAPACITY = 200;

/** Compiled import process versions. A version never changes, so the cache stays valid. */
@Injectable()
export class CompiledImportProcesses {
  private readonly cache = new PromiseCache<CompiledImportProcess>(CAPACITY);

  constructor(
    private readonly database: DatabaseService,
    private readonly targets: TargetRegistry,
    private readonly importProcesses: ImportProcessesService,
  ) {}

  /**
   * Returns the current version, for a batch that starts now.
   * @throws DomainError 403 `import_process_not_allowed`, 404 `import_process_not_found`, 409
   *   `import_process_disabled`, `import_process_unusable`
   */
  async forNewBatch(id: number, principal: Principal): Promise<CompiledImportProcess> {
    assertMayUse(principal, id);
    return this.current(id);
  }

  /**
   * The version that records are checked by now.
   * @throws DomainError as `forNewBatch` does
   */
  async current(id: number): Promise<CompiledImportProcess> {
    const { version, workflowVersion } = await this.importProcesses.pin(id);
    return this.get(id, version, workflowVersion);
  }

  /**
   * @throws DomainError 404 `import_process_not_found` when the version does not exist; 409 `import_process_unusable`
   * when something it refers to has changed so that it no longer fits
   */
  get(
    id: number,
    version: number,
    workflowVersion: number | null,
    { muteBehaviors }: { muteBehaviors: boolean } = { muteBehaviors: false },
  ): Promise<CompiledImportProcess> {
    const key = `${id}/${version}/${workflowVersion}${muteBehaviors ? '/muted' : ''}`;
    return this.cache.get(key, () => this.compile(id, version, workflowVersion, muteBehaviors));
  }

  private async compile(
    id: number,
    version: number,
    workflowVersion: number | null,
    muteBehaviors: boolean,
  ): Promise<CompiledImportProcess> {
    const { rows } = await this.database.query<PinnedImportProcess>(
      `SELECT import_process_id AS id, version, name, ordered, priority, max_failed AS "maxFailed",
              max_failed_percent AS "maxFailedPercent", target, record_schema AS "recordSchema",
              time_zone AS "timeZone", allow_without_identifier AS "allowWithoutIdentifier", $3::integer AS "workflowVersion"
         FROM import_process_version
        WHERE import_process_id = $1 AND version = $2`,
      [id, version, workflowVersion],
    );
    const [found] = rows;
    if (found === undefined) throw importProcessNotFound(id);
    // Only workflows have behaviors.
    const isMuted = muteBehaviors && found.target.kind === 'workflow';
    const pinned = isMuted ? { ...found, target: { ...found.target, muteBehaviors: true } } : found;
    const target = builtInTarget(this.targets, pinned.target.kind);
    const compiled = await target.compile(pinned).catch(async (error: unknown) => {
      // The version was valid when it was saved; something it refers to may have changed since, such as the workflow's
      // steps.
      const problems = await importProcessProblems(pinned, this.targets);
      throw problems.length > 0 ? importProcessUnusable(pinned, problems, error) : error;
    });
    return { pinned, compiled };
  }
}
