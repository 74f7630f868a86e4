import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import type { AppViewRoute } from '@bull-board/api/typings/app';
import { ExpressAdapter } from '@bull-board/express';
import type { Job, Queue } from 'bull';
import type { Request, RequestHandler, Response } from 'express';
import { selectChunkNames } from '../batches/chunks.sql.js';
import { selectMessageSubjects } from '../delivery/outbox.sql.js';
import type { DatabaseService } from '../platform/database/database.service.js';
import { publicPath } from '../platform/http/answers.js';
import type { ChunkJob, DeliveryJob } from '../platform/queue/queues.js';
import { formatNumber } from '../platform/wording.js';

/**
 * bull-board's page without its requests to other servers (it loads fonts from Google), without the buttons of disabled
 * actions, with enough contrast, and with what `job-dashboard.js` adds for people who hear it. It has no options for these.
 */
class DashboardPage extends ExpressAdapter {
  /** @param below the path of PUBLIC_URL */
  constructor(private readonly below: string) {
    super();
  }

  override setEntryRoute(page: AppViewRoute): this {
    this.app[page.method](
      page.route,
      (_request: Request, response: Response, next: (error: unknown) => void) => {
        const { name, params } = page.handler({
          basePath: this.below + this.basePath,
          uiConfig: this.uiConfig,
        });
        response.render(name, params, (error: Error | null, html: string) => {
          if (error === null) response.send(adapted(html, this.below));
          else next(error);
        });
      },
    );
    return this;
  }
}

/** Add job, Empty and Obliterate in the menu of a queue; Duplicate and Update data of a job. They have only icons for names. */
const DISABLED_BUTTONS = [
  ...['plus', 'trash-2', 'ban'].map((icon) => `[role="menuitem"]:has(> .lucide-${icon})`),
  ...['files', 'pencil'].map((icon) => `li:has(.lucide-${icon})`),
];

/** bull-board shows some texts half transparent, which its own colors are too pale for. */
const COLORS = `
  :root { --muted-foreground: #434d57; --primary: #0a564d; --hl-meta: #515c68 }
  .dark-mode { --muted-foreground: #b3bdc9; --hl-meta: #a3adb9; --primary: #5fdcc3 }
  @media (prefers-reduced-motion: reduce) { * { transition: none !important } }`;

/** @param below the path of PUBLIC_URL */
function adapted(html: string, below: string): string {
  const style = `<style>${DISABLED_BUTTONS.join(',')}{display:none}${COLORS}</style>`;
  const script = `<script src="${below}/assets/job-dashboard.js" defer></script>`;
  return html
    .replace(/<link\s[^>]*href="(?:https?:)?\/\/[^>]*>/g, '')
    .replace('</head>', `${style}${script}</head>`);
}

/** A job as people know it, and the page that shows what it is about. */
interface KnownJob {
  name: string;
  path: string | null;
}

type JobData = Partial<ChunkJob & DeliveryJob>;

/** A queue whose jobs have names, which are looked up for the jobs that are shown: Redis holds ids only. */
class NamedQueue extends BullAdapter {
  private known = new Map<string, KnownJob>();

  constructor(
    queue: Queue,
    private readonly database: DatabaseService,
    { description, readOnly, below }: { description: string; readOnly: boolean; below: string },
  ) {
    super(queue, {
      description,
      readOnlyMode: readOnly,
      externalJobUrl: ({ id }) => {
        const path = this.known.get(String(id))?.path;
        return { displayText: 'Import', href: `${below}${path ?? '/imports'}` };
      },
    });
    this.setFormatter(
      'name',
      ({ id, name }: { id: string; name: string }) => this.known.get(String(id))?.name ?? name,
    );
  }

  override async getJob(id: string): Promise<Job | undefined | null> {
    const job = await super.getJob(id);
    if (job) await this.learn([job]);
    return job;
  }

  override async getJobs(...selection: Parameters<BullAdapter['getJobs']>): Promise<Job[]> {
    const jobs = await super.getJobs(...selection);
    await this.learn(jobs);
    return jobs;
  }

  private async learn(jobs: readonly Job<JobData>[]): Promise<void> {
    const chunks = jobs.flatMap(({ data: { batchId, chunkNumber } }) =>
      batchId === undefined || chunkNumber === undefined ? [] : [{ batchId, chunkNumber }],
    );
    const messages = jobs.flatMap(({ data: { messageId } }) => messageId ?? []);
    const [chunkNames, subjects] = await Promise.all([
      chunks.length === 0 ? [] : selectChunkNames(this.database, chunks),
      messages.length === 0 ? [] : selectMessageSubjects(this.database, messages),
    ]);
    this.known = new Map(
      jobs.flatMap(({ id, data }) => {
        const chunk = chunkNames.find(
          ({ batchId, chunkNumber }) => batchId === data.batchId && chunkNumber === data.chunkNumber,
        );
        if (chunk !== undefined) {
          const name = `${chunk.fileName} · rows ${formatNumber(chunk.firstLine)}–${formatNumber(chunk.lastLine)}`;
          return [[String(id), { name, path: `/imports/${chunk.batchId}` }] as const];
        }
        const message = subjects.find((each) => each.id === data.messageId);
        if (message === undefined) return [];
        const { kind, about, fileName, batchId } = message;
        const name = [fileName, kind.replace('_', ' '), about].filter((part) => part !== null).join(' · ');
        return [[String(id), { name, path: batchId === null ? null : `/imports/${batchId}` }] as const];
      }),
    );
  }
}

/** What the dashboard shows. */
interface Shown {
  queues: readonly { queue: Queue; description: string }[];
  database: DatabaseService;
  publicUrl: string;
  /** Of its page, below the path of the public URL. */
  path: string;
}

/** The pages of the dashboard, which do not check who asks for them. */
export function createDashboard(
  { queues, database, publicUrl, path }: Shown,
  readOnly: boolean,
): RequestHandler {
  const below = publicPath(publicUrl);
  const serverAdapter = new DashboardPage(below).setBasePath(path);
  createBullBoard({
    serverAdapter,
    queues: queues.map(
      ({ queue, description }) => new NamedQueue(queue, database, { description, readOnly, below }),
    ),
    options: { uiConfig: { boardTitle: 'Workflow Import Queue', hideDocsLink: true } },
  });
  return serverAdapter.getRouter() as RequestHandler;
}
