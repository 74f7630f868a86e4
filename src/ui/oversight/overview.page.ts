import { Injectable } from '@nestjs/common';
import { IsIn, IsOptional } from 'class-validator';
import type { Principal } from '../../auth/principal.js';
import {
  type FileTypeFigures,
  outcomesIn,
  type Overview,
  OVERVIEW_SPANS,
  OverviewService,
  type OverviewSpan,
  type SpanPart,
} from '../../import-queue/overview.service.js';
import { formatDuration, formatNumber } from '../../platform/wording.js';
import { fileTypeIcon } from '../layout/assets.js';
import { importPath, withQuery } from '../layout/navigation.js';
import { PageRenderer } from '../page-renderer.js';
import { queueText, text } from '../texts/catalogue.js';

const SPANS = Object.keys(OVERVIEW_SPANS) as OverviewSpan[];
const PATH = '/overview';

/** The query of the overview. */
export class ShowOverviewDto {
  @IsOptional()
  @IsIn(SPANS, { message: `span must be one of ${SPANS.join(', ')}` })
  span: OverviewSpan = '24h';
}

/** What goes on in the installation, for those who run it. */
@Injectable()
export class OverviewPage {
  constructor(
    private readonly overview: OverviewService,
    private readonly pages: PageRenderer,
  ) {}

  async render({ span }: ShowOverviewDto, principal: Principal): Promise<string> {
    const read = await this.overview.read(span, principal);
    const mayManage = principal.permissions.includes('ManageImports');
    return this.pages.render('oversight/overview', {
      title: text('overview.title'),
      section: 'overview',
      livePath: withQuery(PATH, { span }),
      spans: SPANS.map((value) => ({
        path: withQuery(PATH, { span: value }),
        text: text(`overview.spans.${value}`),
        current: value === span,
      })),
      figures: figuresOf(read),
      picture: pictureOf(read),
      fileTypes: read.fileTypes.map((figures) => fileTypeView(figures)),
      attention: attentionOf(read, mayManage && principal.importProcessIds === null),
      mayManage,
      workers: read.workers.map(({ host, pid, version, concurrency, refusal, startedAt, chunks }) => ({
        ...{ host, pid, version, startedAt: startedAt.toISOString() },
        busy:
          refusal === null
            ? text('overview.busy', { busy: chunks.length, concurrency })
            : text('overview.refuses', { refusal }),
        chunks: chunks.map(({ batchId, fileName, firstLine, lastLine, since }) => ({
          path: fileName === '' ? null : importPath(batchId),
          fileName: fileName === '' ? text('overview.otherFileType') : fileName,
          rows: text('overview.rows', { firstLine, lastLine }),
          since,
        })),
      })),
      storage: storageOf(read),
    });
  }
}

function figuresOf({ total, attention, workers, unsent, storage, pausedQueues }: Overview) {
  const records = outcomesIn(total);
  const failed = total.failed + total.invalid;
  const busy = workers.filter(({ chunks }) => chunks.length > 0).length;
  const silent = unsent.silentHosts.length;
  const size = storage.at(-1);
  return [
    { value: formatNumber(records), text: text('overview.records', { count: records }) },
    {
      value: percentText(records === 0 ? null : failed / records),
      text: text('overview.failed'),
      bad: failed > 0,
    },
    { value: formatNumber(total.batches), text: text('overview.imports', { count: total.batches }) },
    {
      value: attention.lagSeconds === 0 ? '0 s' : formatDuration(attention.lagSeconds),
      text: text('overview.lag'),
    },
    {
      value: formatNumber(workers.length),
      text: text('overview.workers', { count: workers.length, busy }),
      bad: workers.length === 0,
    },
    { value: formatNumber(unsent.mails), text: text('overview.mails', { count: unsent.mails }) },
    {
      value: formatNumber(unsent.webhooks),
      text:
        silent === 0
          ? text('overview.webhooks', { count: unsent.webhooks })
          : text('overview.webhooksSilent', { count: silent }),
      title: unsent.silentHosts.join(', '),
      bad: silent > 0,
    },
    ...(size === undefined ? [] : [{ value: bytesText(size.bytes), text: text('overview.database') }]),
    ...(pausedQueues === null ? [{ value: text('overview.away'), text: 'Redis', bad: true }] : []),
  ];
}

/** Bars are this far apart, and the picture is this high; it is stretched to the room that there is. */
const BAR = 10;
const HEIGHT = 100;
/** Times below the picture. */
const TICKS = 4;

/** What a bar consists of, from its foot. */
const LAYERS = {
  good: ({ succeeded }: SpanPart) => succeeded,
  failed: ({ failed }: SpanPart) => failed,
  invalid: ({ invalid }: SpanPart) => invalid,
  other: ({ skipped, canceled }: SpanPart) => skipped + canceled,
} as const;
type Layer = keyof typeof LAYERS;
const LAYER_NAMES = Object.keys(LAYERS) as Layer[];

function pictureOf({ parts, partHours }: Overview) {
  const highest = parts.reduce((most, part) => Math.max(most, outcomesIn(part)), 0);
  const top = roundedUp(highest);
  const layers = LAYER_NAMES.map((name) => ({ name, text: text(`overview.layers.${name}`) }));
  return {
    title: text(partHours === 1 ? 'overview.perHour' : 'overview.perHours', { count: partHours }),
    empty: highest === 0,
    viewBox: `0 0 ${parts.length * BAR} ${HEIGHT}`,
    top,
    layers,
    bars: parts.flatMap((part, place) => {
      if (outcomesIn(part) === 0) return [];
      let below = 0;
      const pieces = LAYER_NAMES.flatMap((layer) => {
        const value = LAYERS[layer](part);
        if (value === 0) return [];
        // One failure among a million is still to be seen.
        const height = Math.max((value / top) * HEIGHT, 1);
        below += height;
        return { layer, y: rounded(HEIGHT - below), height: rounded(height) };
      });
      const counts = LAYER_NAMES.filter((layer) => LAYERS[layer](part) > 0).map(
        (layer) => `${text(`overview.layers.${layer}`)}: ${formatNumber(LAYERS[layer](part))}`,
      );
      return {
        x: place * BAR + 1,
        width: BAR - 2,
        at: part.at.toISOString(),
        counts: counts.join(', '),
        pieces,
      };
    }),
    ticks: Array.from({ length: TICKS }, (_, tick) => {
      const part = parts[Math.round((tick * (parts.length - 1)) / (TICKS - 1))];
      return { at: part?.at.toISOString(), format: parts.length === 24 ? 'hour' : 'day' };
    }),
    rows: parts
      .filter((part) => outcomesIn(part) > 0)
      .reverse()
      .map((part) => ({
        at: part.at.toISOString(),
        cells: LAYER_NAMES.map((layer) => ({
          label: text(`overview.layers.${layer}`),
          value: LAYERS[layer](part),
        })),
      })),
  };
}

/** The next number with one significant digit of 1, 2 or 5, as the top of the picture. */
function roundedUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

function fileTypeView(figures: FileTypeFigures) {
  const { id, name, icon, batches, medianMs, slowest, failureShares } = figures;
  const records = outcomesIn(figures);
  const share = records === 0 ? null : (figures.failed + figures.invalid) / records;
  return {
    ...{ name, batches, records },
    icon: fileTypeIcon(icon),
    path: withQuery('/imports', { importProcessId: id }),
    failed: percentText(share),
    isBad: share !== null && share > 0,
    spark: sparkline(failureShares.map((each) => each ?? 0)),
    median: medianMs === null ? null : formatDuration(medianMs / 1000),
    slowest: slowest && { text: formatDuration(slowest.ms / 1000), path: importPath(slowest.batchId) },
  };
}

/** A small picture of a row of values: bars from 0 to the largest. */
export function sparkline(values: readonly number[]) {
  const most = Math.max(...values, 0);
  return {
    viewBox: `0 0 ${values.length * BAR} ${HEIGHT}`,
    bars: values.map((value, place) => {
      const height = most === 0 || value === 0 ? 0 : Math.max((value / most) * HEIGHT, 6);
      return { x: place * BAR + 1, y: rounded(HEIGHT - height), width: BAR - 2, height: rounded(height) };
    }),
  };
}

type Kind = Overview['attention']['batches'][number]['kind'];
const KINDS: readonly Kind[] = ['paused', 'unconfirmed', 'unviewed'];

function attentionOf({ attention, pausedQueues }: Overview, mayResume: boolean) {
  const groups = KINDS.flatMap((kind) => {
    const batches = attention.batches.filter((batch) => batch.kind === kind);
    const [first] = batches;
    if (first === undefined) return [];
    return {
      title: text(`overview.attention.${kind}`, { count: first.count }),
      unviewed: kind === 'unviewed',
      more:
        first.count > batches.length ? text('overview.more', { count: first.count - batches.length }) : null,
      morePath: withQuery('/imports', { status: STATUS_OF[kind] }),
      batches: batches.map(({ id, fileName, importProcessName, pauseReason, pauseDetail, failed, at }) => ({
        ...{ fileName, importProcessName },
        path: importPath(id),
        at: at.toISOString(),
        note:
          kind === 'paused'
            ? [text(`overview.pause.${pauseOf(pauseReason)}`), pauseDetail].filter(Boolean).join(': ')
            : kind === 'unviewed' && failed > 0
              ? text('overview.rowsFailed', { count: failed })
              : null,
      })),
    };
  });
  const queues = (pausedQueues ?? []).map((name) => ({
    name,
    text: queueText(name),
    path: mayResume ? `${PATH}/queues/${name}/resume` : null,
  }));
  return { groups, queues, nothing: groups.length + queues.length === 0 };
}

const STATUS_OF: Readonly<Record<Kind, string>> = {
  paused: 'paused',
  unconfirmed: 'awaiting_confirmation',
  unviewed: 'completed_with_errors',
};

const PAUSES = ['manual', 'canary', 'error_budget', 'environment_fault', 'target_unavailable'] as const;
const pauseOf = (reason: string | null) => PAUSES.find((each) => each === reason) ?? 'manual';

function storageOf({ storage }: Overview) {
  const [first] = storage;
  const last = storage.at(-1);
  if (first === undefined || last === undefined) return null;
  const growth = last.bytes - first.bytes;
  return {
    now: bytesText(last.bytes),
    growth: `${growth < 0 ? '−' : '+'}${bytesText(Math.abs(growth))}`,
    since: first.at.toISOString(),
    spark: storage.length > 1 ? sparkline(storage.map(({ bytes }) => bytes)) : null,
  };
}

/** 0.4 % as the share 0.004; small shares never look like none. */
function percentText(share: number | null): string {
  if (share === null) return text('common.nothing');
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return text('overview.percentBelow');
  return text('overview.percent', { percent: Math.floor(percent * 10) / 10 });
}

const UNITS = ['kB', 'MB', 'GB', 'TB'] as const;

/** 1234567 → 1.2 MB */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return text('overview.bytes', { count: bytes });
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${UNITS[power - 1] ?? ''}`;
}
