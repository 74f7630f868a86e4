import { Injectable } from '@nestjs/common';
import { CreatorNames } from '../../auth/authenticator.js';
import type { Principal } from '../../auth/principal.js';
import { BATCH_STATUSES } from '../../batches/batch-state.js';
import { visibleTo } from '../../import-processes/import-process.js';
import { ImportProcessesService } from '../../import-processes/import-processes.service.js';
import { BatchList } from '../../import-queue/batch-list.js';
import { ListBatchesDto } from '../../import-queue/batches.dto.js';
import { OverviewService } from '../../import-queue/overview.service.js';
import { AppConfig } from '../../platform/config/config.js';
import { DomainError } from '../../platform/errors.js';
import { validateQuery } from '../../platform/http/validation.js';
import type { FormAnswer } from '../forms.js';
import { fileTypeIcon } from '../layout/assets.js';
import { curlLine, withQuery } from '../layout/navigation.js';
import { sparkline } from '../oversight/overview.page.js';
import { PageRenderer } from '../page-renderer.js';
import { batchLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';
import { type BatchView, batchView } from './import-view.js';

const REFRESH_SECONDS = 5;

/** File types above the list, those with the most records first. */
const SHOWN_FILE_TYPES = 6;

type GivenQuery = Record<string, unknown>;

const FILTERS = [
  'status',
  'q',
  'creationPath',
  'importProcessId',
  'createdAfter',
  'createdBefore',
  'createdBy',
] as const satisfies readonly (keyof ListBatchesDto)[];

/** Recent Imports. */
@Injectable()
export class RecentImportsPage {
  constructor(
    private readonly config: AppConfig,
    private readonly creators: CreatorNames,
    private readonly list: BatchList,
    private readonly importProcesses: ImportProcessesService,
    private readonly overview: OverviewService,
    private readonly pages: PageRenderer,
  ) {}

  /** An impossible creation path is reported beside its field, above the imports that match the other filters. */
  async answer({ creationPath: given, ...others }: GivenQuery, principal: Principal): Promise<FormAnswer> {
    // Creation paths are stored in upper case, which users need not know.
    const creationPath = typeof given === 'string' ? given.toUpperCase() : given;
    const query = creationPath === undefined ? others : { ...others, creationPath };
    try {
      return { status: 200, html: await this.render(validateQuery(ListBatchesDto, query), principal) };
    } catch (error) {
      const wrong = error instanceof DomainError ? (error.options.errors ?? []) : [];
      if (wrong.length !== 1 || wrong[0]?.parameter !== 'creationPath') throw error;
      const filter = validateQuery(ListBatchesDto, others);
      return { status: 400, html: await this.render(filter, principal, { given }) };
    }
  }

  private async render(
    query: ListBatchesDto,
    principal: Principal,
    wrongPath: { given: unknown } | null = null,
  ): Promise<string> {
    const { items, nextCursor } = await this.list.page(query, principal);
    const nameOf = await this.creators.of(items.map(({ createdBy }) => createdBy));
    const processes = await this.importProcesses.list();
    const iconOf = new Map(processes.map(({ id, icon }) => [id, fileTypeIcon(icon)]));
    const days = await this.overview.sparklines(principal);
    const now = new Date();
    const batches = items.map((batch) => ({
      ...batchView(batch, nameOf(batch.createdBy), now),
      icon: iconOf.get(batch.importProcessId),
    }));
    // Whoever asks for what was canceled sees it at once.
    const isFolded = (batch: BatchView) => batch.abandoned && query.status === undefined;
    const filtered = wrongPath !== null || FILTERS.some((name) => query[name] !== undefined);
    return this.pages.render('imports/recent', {
      title: text('recent.title'),
      section: 'imports',
      refreshSeconds: batches.some(({ running }) => running) ? REFRESH_SECONDS : null,
      listed: batches.length > 0,
      batches: batches.filter((batch) => !isFolded(batch)),
      abandoned: batches.filter(isFolded),
      // New imports appear on the first page; an older page only changes while one of its imports runs.
      livePath:
        query.after === undefined || batches.some(({ running }) => running)
          ? pathOf(query, query.after ?? null)
          : null,
      mayImport: principal.permissions.includes('BeginWorkflowImportProcess'),
      filter: wrongPath === null ? query : { ...query, creationPath: wrongPath.given },
      sourceError: wrongPath !== null,
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
      fileTypeStrip: visibleTo(principal, processes)
        .flatMap(({ id, name }) => {
          const records = days.get(id);
          return records === undefined
            ? []
            : [{ id, name, records, sum: records.reduce((a, b) => a + b, 0) }];
        })
        .sort((a, b) => b.sum - a.sum)
        .slice(0, SHOWN_FILE_TYPES)
        .map(({ id, name, records, sum }) => ({
          name,
          title: text('recent.last30Days', { count: sum }),
          spark: sparkline(records),
          path: withQuery('/imports', { importProcessId: id === query.importProcessId ? null : id }),
          current: id === query.importProcessId,
        })),
      newestPath: query.after === undefined ? null : pathOf(query, null),
      nextPath: nextCursor === null ? null : pathOf(query, nextCursor),
      curl: curlLine(this.config.publicUrl, text('recent.yourKey'), processes[0]?.id ?? 1),
    });
  }
}

function pathOf(query: ListBatchesDto, after: string | null): string {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query[name]]));
  return withQuery('/imports', { ...filters, after });
}
