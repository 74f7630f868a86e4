import { Injectable } from '@nestjs/common';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { BATCH_STATUSES } from '../../batches/batch-state.js';
import { visibleTo } from '../../import-processes/import-process.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { BatchList } from '../../import-queue/batch-list.js';
import { ListBatchesDto } from '../../import-queue/batches.dto.js';
import { AppConfig } from '../../platform/config/config.js';
import { DatabaseService } from '../../platform/database/database.service.js';
import { DomainError } from '../../platform/domain-error.js';
import { validateQuery } from '../../platform/http/validation.js';
import type { FormAnswer } from '../forms.js';
import { fileTypeIcon } from '../layout/icons.js';
import { PageRenderer } from '../page-renderer.js';
import { batchLabel } from '../status-label.js';
import { batchView } from './import-view.js';

const REFRESH_SECONDS = 5;

type Asked = Record<string, unknown>;

/** Recent Imports. */
@Injectable()
export class RecentImportsPage {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly list: BatchList,
    private readonly importProcesses: ImportProcessesService,
    private readonly pages: PageRenderer,
  ) {}

  /** A creation path that cannot be one is told beside its field, above the list that the other filters leave. */
  async answer({ creationPath: given, ...others }: Asked, principal: Principal): Promise<FormAnswer> {
    // Stored in upper case, and nobody should have to know.
    const creationPath = typeof given === 'string' ? given.toUpperCase() : given;
    const query = creationPath === undefined ? others : { ...others, creationPath };
    try {
      return { status: 200, html: await this.render(validateQuery(ListBatchesDto, query), principal) };
    } catch (error) {
      const wrong = error instanceof DomainError ? (error.options.errors ?? []) : [];
      const [first] = wrong;
      if (wrong.length !== 1 || first?.parameter !== 'creationPath') throw error;
      const filter = validateQuery(ListBatchesDto, others);
      return { status: 400, html: await this.render(filter, principal, { given, message: first.message }) };
    }
  }

  private async render(
    query: ListBatchesDto,
    principal: Principal,
    wrongPath: { given: unknown; message: string } | null = null,
  ): Promise<string> {
    const { items, nextCursor } = await this.list.page(query, principal);
    const nameOf = await creatorNames(
      this.database,
      items.map(({ createdBy }) => createdBy),
    );
    const processes = await this.importProcesses.list();
    const iconOf = new Map(processes.map(({ id, icon }) => [id, fileTypeIcon(icon)]));
    const now = new Date();
    const batches = items.map((batch) => ({
      ...batchView(batch, nameOf(batch.createdBy), now),
      icon: iconOf.get(batch.importProcessId),
    }));
    const filtered =
      wrongPath !== null || [query.status, query.q, query.creationPath, query.importProcessId].some(Boolean);
    return this.pages.render('imports/recent', {
      title: 'Recent Imports',
      section: 'imports',
      refreshSeconds: batches.some(({ running }) => running) ? REFRESH_SECONDS : null,
      batches,
      // New imports appear on the first page; an older one only changes while one of its imports runs.
      livePath:
        query.after === undefined || batches.some(({ running }) => running)
          ? pathOf(query, query.after ?? null)
          : null,
      mayImport: principal.permissions.includes('BeginWorkflowImportProcess'),
      filter: wrongPath === null ? query : { ...query, creationPath: wrongPath.given },
      wrongPath: wrongPath?.message,
      filtered,
      untouched: batches.length === 0 && !filtered && query.after === undefined,
      statuses: BATCH_STATUSES.map((status) => ({
        value: status,
        text: batchLabel(status).text,
        selected: status === query.status,
      })),
      fileTypes: visibleTo(principal, processes).map(({ id, name }) => ({
        id,
        name,
        selected: id === query.importProcessId,
      })),
      newestPath: query.after === undefined ? null : pathOf(query, null),
      nextPath: nextCursor === null ? null : pathOf(query, nextCursor),
      curl: curlLine(this.config.publicUrl, processes[0]?.id ?? 1),
    });
  }
}

function pathOf(query: ListBatchesDto, after: string | null): string {
  const parameters = new URLSearchParams();
  const { status, q, creationPath, importProcessId } = query;
  for (const [name, value] of Object.entries({ status, q, creationPath, importProcessId, after })) {
    if (value !== undefined && value !== null) parameters.set(name, String(value));
  }
  return `/imports?${parameters.toString()}`;
}

function curlLine(publicUrl: string, importProcessId: number): string {
  const route = `${publicUrl}/API/WorkflowImportQueue/CreateBatch?fileName=members.jsonl&importProcessId=${importProcessId}`;
  return `curl -X POST '${route}' -H 'Authorization: apikey <your key>' --data-binary @members.jsonl`;
}
