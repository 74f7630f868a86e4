import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../auth/audit-trail.js';
import type { AuditEventResource, ListAuditDto } from '../../auth/audit.dto.js';
import { importPath, withQuery, workflowPath } from '../layout/links.js';
import { PageRenderer } from '../page-renderer.js';
import type { StatusLabel } from '../status-label.js';
import { text } from '../texts/catalogue.js';

const PATH = '/audit';

/** Who did what, with filters and a download. */
@Injectable()
export class AuditPage {
  constructor(
    private readonly trail: AuditTrail,
    private readonly pages: PageRenderer,
  ) {}

  async render(query: ListAuditDto): Promise<string> {
    const { actor, action, from, to } = query;
    const { items, nextCursor } = await this.trail.page(query);
    const filter = { actor, action, from, to };
    return this.pages.render('oversight/audit', {
      title: text('audit.title'),
      section: 'audit',
      filter,
      filtered: Object.values({ ...filter, after: query.after }).some((value) => value !== undefined),
      actions: (await this.trail.actions()).map((value) => ({
        value,
        text: wordsOf(value),
        selected: value === action,
      })),
      events: items.map(eventView),
      exportPath: withQuery('/API/Audit', { ...filter, format: 'jsonl' }),
      nextPath: nextCursor === null ? null : withQuery(PATH, { ...filter, after: nextCursor }),
    });
  }
}

function eventView(event: AuditEventResource) {
  const { at, actorName, action, object, count, outcome, clientAddress, requestId } = event;
  return {
    ...{ at, actorName, object, clientAddress, requestId },
    action: wordsOf(action),
    objectPath: pathOf(event),
    label: outcomeLabel(outcome, count),
    details: Object.entries(event.details).map(([name, value]) => ({
      name,
      value: typeof value === 'string' ? value : JSON.stringify(value),
    })),
  };
}

/** `batch_status_changed` as "Batch status changed". */
function wordsOf(action: string): string {
  const words = action.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function outcomeLabel(outcome: AuditEventResource['outcome'], count: number): StatusLabel {
  if (outcome === 'done') return { text: text('audit.done'), tone: 'good' };
  return { text: text('audit.refused', { count }), tone: 'bad' };
}

function pathOf({ objectKind, objectId }: AuditEventResource): string | null {
  if (objectId === null) return null;
  switch (objectKind) {
    case 'batch':
      return importPath(Number(objectId));
    case 'workflow':
      return workflowPath(objectId);
    case 'import-process':
      return `/file-types/${objectId}`;
    case 'user':
      return `/users/${objectId}`;
    default:
      return null;
  }
}
