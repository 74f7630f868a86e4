import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../platform/database/database.service.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import { writeAudit } from './audit.js';
import {
  type AuditSelection,
  selectActorsNamed,
  selectAuditActions,
  selectAuditEvents,
  type StoredAuditEvent,
} from './audit-events.sql.js';
import type { AuditEventResource, ListAuditDto } from './audit.dto.js';
import { CreatorNames, type NameOf } from './authenticator.js';
import type { Principal } from './principal.js';

const LIST = 'Audit';
const PAGE = 50;
/** Events per statement of an export. */
const EXPORT_PAGE = 500;

/** Reads the audit log. */
@Injectable()
export class AuditTrail {
  constructor(
    private readonly database: DatabaseService,
    private readonly creators: CreatorNames,
  ) {}

  /** Newest first. @throws DomainError 400 `invalid_cursor` */
  async page(query: ListAuditDto): Promise<Page<AuditEventResource>> {
    const limit = query.limit ?? PAGE;
    const selection = await this.selectionOf(query);
    const rows = await selectAuditEvents(this.database, { ...selection, limit: limit + 1 });
    const nameOf = await this.namesOf(rows);
    const cursorAt = ({ id }: StoredAuditEvent) => encodeCursor(LIST, [id]);
    return pageOf(rows, limit, cursorAt, (row) => resourceOf(row, nameOf));
  }

  /** Every action that the log holds. */
  actions(): Promise<string[]> {
    return selectAuditActions(this.database);
  }

  /**
   * All events of the query as JSON Lines, newest first. The export is an event itself, written before the first line.
   * @throws DomainError 400 `invalid_cursor`
   */
  async *export(
    query: ListAuditDto,
    principal: Principal,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, undefined> {
    const selection = await this.selectionOf(query);
    const { from, to, action } = query;
    const details = { ...(from && { from }), ...(to && { to }), ...(action && { action }) };
    await writeAudit(this.database, { actor: principal.id, action: 'audit_exported', details });
    let { before } = selection;
    let left = query.limit ?? Infinity;
    while (left > 0) {
      signal.throwIfAborted();
      const limit = Math.min(EXPORT_PAGE, left);
      const rows = await selectAuditEvents(this.database, { ...selection, before, limit });
      const nameOf = await this.namesOf(rows);
      if (rows.length > 0) yield rows.map((row) => `${JSON.stringify(resourceOf(row, nameOf))}\n`).join('');
      if (rows.length < limit) return;
      before = rows.at(-1)?.id;
      left -= rows.length;
    }
  }

  private async selectionOf(query: ListAuditDto): Promise<Omit<AuditSelection, 'limit'>> {
    const { actor, action, from, to, after } = query;
    return {
      actors: actor === undefined ? undefined : await selectActorsNamed(this.database, actor),
      action,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : endOf(to),
      before: after === undefined ? undefined : decodeCursor(LIST, after, HIGHEST_ID)[0],
    };
  }

  private namesOf(rows: readonly StoredAuditEvent[]): Promise<NameOf> {
    return this.creators.of(rows.flatMap(({ actor }) => actor ?? []));
  }
}

/** A day ends where the next one begins. */
export function endOf(moment: string): Date {
  const time = new Date(moment);
  if (!moment.includes('T') && !moment.includes('t')) time.setUTCDate(time.getUTCDate() + 1);
  return time;
}

function resourceOf(event: StoredAuditEvent, nameOf: NameOf): AuditEventResource {
  const { id, at, actor, action, subject, outcome, occurrences, details, address, requestId } = event;
  const [objectKind, objectId] = parts(subject);
  return {
    id,
    at: at.toISOString(),
    actor,
    actorName: actor === null ? null : nameOf(actor),
    actorKind: parts(actor)[0],
    action,
    object: subject,
    objectKind,
    objectId,
    outcome,
    count: occurrences,
    clientAddress: address,
    requestId,
    details,
  };
}

/** The kind and the id of `kind:id`. Parts of the program that act by themselves have no id. */
function parts(reference: string | null): [kind: string | null, id: string | null] {
  if (reference === null) return [null, null];
  const end = reference.indexOf(':');
  return end === -1 ? [reference, null] : [reference.slice(0, end), reference.slice(end + 1)];
}
