import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsISO8601, IsOptional, Length, Matches, Max, MaxLength, Min } from 'class-validator';
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
import { Integer } from '../platform/http/validation.js';
import { AUDIT_OUTCOMES, type AuditOutcome } from './audit.js';

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
