import { Injectable } from '@nestjs/common';
import { assertMayUse } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { PromiseCache } from '../platform/bounded-map.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { TargetRegistry } from '../targets/target-registry.js';
import { builtInTarget, importProcessProblems } from './import-process-check.js';
import { importProcessNotFound, importProcessUnusable } from './import-process.errors.js';
import type { CompiledImportProcess, PinnedImportProcess } from './import-process.js';
import { ImportProcessesService } from './import-processes.service.js';

/** More versions than a process ever uses at one time; compiling one again costs milliseconds. */
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
   * The current version, for a batch that starts now.
   * @throws DomainError 403 `import_process_not_allowed`, 404 `import_process_not_found`, 409
   *   `import_process_disabled`, `import_process_unusable`
   */
  async forNewBatch(id: number, principal: Principal): Promise<CompiledImportProcess> {
    assertMayUse(principal, id);
    const { version, workflowVersion } = await this.importProcesses.pin(id);
    return this.get(id, version, workflowVersion);
  }

  /**
   * @throws DomainError 404 `import_process_not_found` when the version does not exist; 409 `import_process_unusable`
   * when something it refers to has changed so that it no longer fits
   */
  get(id: number, version: number, workflowVersion: number | null): Promise<CompiledImportProcess> {
    return this.cache.get(`${id}/${version}/${workflowVersion}`, () =>
      this.compile(id, version, workflowVersion),
    );
  }

  private async compile(
    id: number,
    version: number,
    workflowVersion: number | null,
  ): Promise<CompiledImportProcess> {
    const { rows } = await this.database.query<PinnedImportProcess>(
      `SELECT import_process_id AS id, version, name, ordered, target, record_schema AS "recordSchema",
              $3::integer AS "workflowVersion"
         FROM import_process_version
        WHERE import_process_id = $1 AND version = $2`,
      [id, version, workflowVersion],
    );
    const [pinned] = rows;
    if (pinned === undefined) throw importProcessNotFound(id);
    const target = builtInTarget(this.targets, pinned.target.kind);
    const compiled = await target.compile(pinned).catch(async (error: unknown) => {
      // It was valid when it was saved; something it refers to may have changed since, such as the workflow's steps.
      const problems = await importProcessProblems(pinned, this.targets);
      throw problems.length > 0 ? importProcessUnusable(pinned, problems, error) : error;
    });
    return { pinned, compiled };
  }
}
