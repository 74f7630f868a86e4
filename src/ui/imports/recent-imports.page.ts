import { Injectable } from '@nestjs/common';
import { creatorNames } from '../../auth/creator-names.js';
import type { Principal } from '../../auth/principal.js';
import { AppConfig } from '../../config/config.js';
import { DatabaseService } from '../../database/database.service.js';
import { visibleTo } from '../../import-processes/import-process-view.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { BATCH_STATUSES } from '../../import-queue/batch-state.js';
import { BatchList } from '../../import-queue/results/batch-list.js';
import type { ListBatchesDto } from '../../import-queue/results/dto/list-batches.dto.js';
import { fileTypeIcon } from '../layout/icons.js';
import { PageRenderer } from '../page-renderer.js';
import { batchLabel } from '../status-label.js';
import { batchView } from './batch-view.js';

const REFRESH_SECONDS = 5;

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

  async render(query: ListBatchesDto, principal: Principal): Promise<string> {
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
    const filtered = [query.status, query.q, query.creationPath, query.importProcessId].some(Boolean);
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
      filter: query,
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
