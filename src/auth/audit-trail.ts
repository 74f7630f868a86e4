import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsISO8601, IsOptional, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { Pool } from 'pg';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Rows, type Sql } from '../platform/database/database.service.js';
import { isInsufficientPrivilege } from '../platform/database/postgres-errors.js';
import {
  ANY_OBJECT,
  choice,
  INTEGER,
  objectOf,
  orNull,
  pageSchema,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { decodeCursor, encodeCursor, HIGHEST_ID, type Page, pageOf } from '../platform/http/pagination.js';
import { Integer } from '../platform/http/validation.js';
import {
  AUDIT_OUTCOMES,
  type AuditOutcome,
  type AuditSelection,
  selectActorsNamed,
  selectAuditActions,
  selectAuditEvents,
  type StoredAuditEvent,
  writeAudit,
} from './audit-log.sql.js';
import { CreatorNames, type NameOf } from './authenticator.js';
import type { Principal } from './principal.js';

/** A day (UTC), or a time with its offset. */
export const IsMoment = (name: string): PropertyDecorator => {
  const message = `${name} must be a date such as 2026-11-28 or a time such as 2026-11-28T09:30:00Z`;
  return (target, property) => {
    IsISO8601({ strict: true, strictSeparator: true }, { message })(target, property);
    Matches(/^[1-9]\d{3}-\d\d-\d\d(T.*(Z|[+-]\d\d:\d\d))?$/i, { message })(target, property);
  };
};

/** The query of `GET /API/Audit`. */
export class ListAuditDto {
  @ApiPropertyOptional({
    description:
      'The id of a principal as in `createdBy`, the e-mail address of a user, or the name of a key.',
    example: 'user:3',
  })
  @IsOptional()
  @Length(1, 255, { message: 'actor must have 1 to 255 characters' })
  @Matches(/^[^\0]*$/, { message: 'actor must not contain the character U+0000' })
  actor?: string;

  @ApiPropertyOptional({ example: 'access_refused' })
  @IsOptional()
  @Matches(/^[a-z0-9_]{1,60}$/, { message: 'action must be an action such as signed_in' })
  action?: string;

  @ApiPropertyOptional({ description: 'Events at this time or later: a day (UTC) or an RFC 3339 time.' })
  @IsOptional()
  @IsMoment('from')
  from?: string;

  @ApiPropertyOptional({ description: 'Events before this time. A day includes its events.' })
  @IsOptional()
  @IsMoment('to')
  to?: string;

  @ApiPropertyOptional({
    description:
      'The most events of a page. With format=jsonl: of the download, which has no limit by itself.',
    type: 'integer',
    minimum: 1,
    maximum: 200,
    default: 50,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'limit must be an integer from 1 to 200' })
  @Min(1, { message: 'limit must be an integer from 1 to 200' })
  @Max(200, { message: 'limit must be an integer from 1 to 200' })
  limit?: number;

  @ApiPropertyOptional({ description: 'nextCursor of the previous page.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of the previous page' })
  after?: string;

  @ApiPropertyOptional({ enum: ['json', 'jsonl'], default: 'json' })
  @IsOptional()
  @IsIn(['json', 'jsonl'], { message: 'format must be json or jsonl' })
  format: 'json' | 'jsonl' = 'json';
}

/** An event of the audit log. */
export interface AuditEventResource {
  id: number;
  at: string;
  actor: string | null;
  actorName: string | null;
  actorKind: string | null;
  action: string;
  object: string | null;
  objectKind: string | null;
  objectId: string | null;
  outcome: AuditOutcome;
  count: number;
  clientAddress: string | null;
  requestId: string | null;
  details: Record<string, unknown>;
}

/** The answers of the routes of the audit log. */
export const AUDIT_SCHEMAS: Readonly<Record<string, Schema>> = {
  AuditEvent: objectOf<AuditEventResource>({
    id: INTEGER,
    at: TIME,
    actor: says('The id of the principal, as in createdBy; null: no one was signed in.', orNull(TEXT)),
    actorName: says('The e-mail address of the user or the name of the key.', orNull(TEXT)),
    actorKind: says('For example user, api-key.', orNull(TEXT)),
    action: TEXT,
    object: says('For example batch:17.', orNull(TEXT)),
    objectKind: orNull(TEXT),
    objectId: orNull(TEXT),
    outcome: choice(...AUDIT_OUTCOMES),
    count: says('How many equal refusals of one minute the event stands for.', INTEGER),
    clientAddress: orNull(TEXT),
    requestId: orNull(TEXT),
    details: ANY_OBJECT,
  }),
  AuditPage: pageSchema(refTo('AuditEvent')),
};

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

/**
 * Deletes and changes audit events, for retention and erasure only. With AUDIT_DATABASE_URL it works as that role, so
 * that the role of the application needs no right to change the log.
 */
@Injectable()
export class AuditKeeper implements OnModuleDestroy {
  private readonly logger = new Logger(AuditKeeper.name);
  private pool: Pool | undefined;

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {}

  /** Deletes the oldest events past their retention, in one step; call it again while it returns the limit. */
  async deletePast(days: number, limit: number): Promise<number> {
    if (days === 0) return 0;
    try {
      const { rowCount } = await this.sql.query(
        `DELETE FROM audit_log WHERE audit_id IN (
           SELECT audit_id FROM audit_log WHERE happened_at < now() - $1 * interval '1 day'
            ORDER BY happened_at LIMIT $2)`,
        [days, limit],
      );
      return rowCount;
    } catch (error) {
      if (!isInsufficientPrivilege(error)) throw error;
      this.logger.warn(
        `Audit events older than AUDIT_RETENTION_DAYS (${days}) stay: the role may not delete from audit_log. ` +
          'Set AUDIT_DATABASE_URL to a role that may.',
      );
      return 0;
    }
  }

  /** The connection that may change the log. */
  get sql(): Sql {
    const { auditDatabaseUrl } = this.config;
    if (auditDatabaseUrl === undefined) return this.database;
    this.pool ??= poolOf(auditDatabaseUrl);
    return sqlOf(this.pool);
  }

  async onModuleDestroy(): Promise<void> {
    await this.pool?.end();
  }
}

/** Two connections: a sweep and an erasure. */
function poolOf(connectionString: string): Pool {
  const pool = new Pool({
    connectionString,
    max: 2,
    connectionTimeoutMillis: 10_000,
    application_name: 'workflow-import-queue audit',
  });
  // The statement that was running reports the error.
  pool.on('error', () => undefined);
  return pool;
}

const sqlOf = (pool: Pool): Sql => ({
  query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Rows<Row>> => {
    const { rows, rowCount } = await pool.query<Row>(text, [...values]);
    return { rows, rowCount: rowCount ?? 0 };
  },
});
