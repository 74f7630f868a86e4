import { Injectable } from '@nestjs/common';
import type { Principal } from '../auth/principal.js';
import { AppConfig } from '../config/config.js';
import { DatabaseService } from '../database/database.service.js';
import { BATCH_STATUSES } from '../import-queue/batch-state.js';
import { BatchList } from '../import-queue/results/batch-list.js';
import type { ListBatchesDto } from '../import-queue/results/dto/list-batches.dto.js';
import { batchView } from './batch-view.js';
import { creatorNames } from '../auth/creator-names.js';
import { PageRenderer } from './page-renderer.js';
import { batchLabel } from './status-label.js';

const REFRESH_SECONDS = 5;

/** Recent Imports. */
@Injectable()
export class RecentImportsPage {
  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
    private readonly list: BatchList,
    private readonly pages: PageRenderer,
  ) {}

  async render(query: ListBatchesDto, principal: Principal): Promise<string> {
    const { items, nextCursor } = await this.list.page(query, principal);
    const nameOf = await creatorNames(
      this.database,
      items.map(({ createdBy }) => createdBy),
    );
    const now = new Date();
    const batches = items.map((batch) => batchView(batch, nameOf(batch.createdBy), now));
    return this.pages.render('imports', {
      title: 'Recent Imports',
      refreshSeconds: batches.some(({ running }) => running) ? REFRESH_SECONDS : null,
      batches,
      filter: query,
      filtered: [query.status, query.q, query.creationPath, query.importProcessId].some(Boolean),
      statuses: BATCH_STATUSES.map((status) => ({
        value: status,
        text: batchLabel(status).text,
        selected: status === query.status,
      })),
      newestPath: query.after === undefined ? null : pathOf(query, null),
      nextPath: nextCursor === null ? null : pathOf(query, nextCursor),
      curl: curlLine(this.config.publicUrl),
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

function curlLine(publicUrl: string): string {
  const route = `${publicUrl}/API/WorkflowImportQueue/CreateBatch?fileName=members.jsonl&importProcessId=1`;
  return `curl -X POST '${route}' -H 'Authorization: apikey <your key>' --data-binary @members.jsonl`;
}
