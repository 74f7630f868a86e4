import { Injectable } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
} from 'class-validator';
import { IsImportProcessLimit, IsSetOf } from '../auth/principal.js';
import { BATCH_EVENTS, type BatchEvent } from '../batches/batch-state.js';
import { DELIVERY_STATUSES, type DeliveryStatus } from '../delivery/message.js';
import {
  DISABLED_REASONS,
  type DisabledReason,
  ENDPOINT_FORMATS,
  ENDPOINT_STATUSES,
  type EndpointFormat,
  type EndpointStatus,
  isWebhookSecret,
  isWebhookUrl,
  type LoggedAttempt,
  TEST_EVENT,
} from '../delivery/webhook-endpoint.js';
import {
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  pageSchema,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { Integer, PathIdPipe } from '../platform/http/validation.js';
import { webhookDeliveryNotFound, webhookEndpointNotFound } from './notifications.errors.js';

const Satisfies = (name: string, validate: (value: unknown) => boolean, message: string): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => message } });

/** The body of `POST /API/WebhookEndpoints`, and of `PUT`, which replaces all of it. */
export class SaveWebhookEndpointDto {
  @ApiProperty({
    description: 'An http or https URL of a public host, without credentials and without a fragment.',
    format: 'uri',
    maxLength: 2000,
    example: 'https://hooks.example.org/imports',
  })
  @MaxLength(2000, { message: 'url must have at most 2,000 characters' })
  @Satisfies(
    'isWebhookUrl',
    (value) => typeof value === 'string' && isWebhookUrl(value),
    'url must be an http or https URL without credentials and without a fragment',
  )
  url!: string;

  @ApiProperty({ enum: BATCH_EVENTS, isArray: true, example: ['batch.completed', 'batch.failed'] })
  @IsSetOf({
    most: BATCH_EVENTS.length,
    items: `some of ${BATCH_EVENTS.join(', ')}`,
    allows: (item) => BATCH_EVENTS.some((event) => event === item),
  })
  events!: BatchEvent[];

  @ApiPropertyOptional({
    description: 'The only import processes whose batches are reported; absent or null: all.',
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    nullable: true,
  })
  @IsOptional()
  @IsImportProcessLimit()
  importProcessIds?: number[] | null;

  @ApiPropertyOptional({
    description: 'Tells people who receives the webhooks.',
    default: '',
    maxLength: 200,
  })
  @IsString({ message: 'description must be text' })
  @MaxLength(200, { message: 'description must have at most 200 characters' })
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: 'description must not contain control characters' })
  description: string = '';

  @ApiPropertyOptional({
    enum: ENDPOINT_FORMATS,
    default: 'standard',
    description: 'standard: Standard Webhooks 1.0. slack, teams: a message for a channel.',
  })
  @IsIn(ENDPOINT_FORMATS, { message: `format must be one of ${ENDPOINT_FORMATS.join(', ')}` })
  format: EndpointFormat = 'standard';

  @ApiPropertyOptional({
    enum: ENDPOINT_STATUSES,
    description:
      'disabled: nothing is stored for it or sent to it. Absent: active for a new endpoint, else as it is.',
  })
  @IsOptional()
  @IsIn(ENDPOINT_STATUSES, { message: `status must be one of ${ENDPOINT_STATUSES.join(', ')}` })
  status?: EndpointStatus;

  @ApiPropertyOptional({
    description:
      'whsec_ and 24 to 64 bytes in base64. Absent: a new endpoint gets one of its own, and another keeps its secret. ' +
      'The secret before it signs for 24 more hours.',
  })
  @IsOptional()
  @Satisfies(
    'isWebhookSecret',
    (value) => typeof value === 'string' && isWebhookSecret(value),
    'secret must be whsec_ and 24 to 64 bytes in base64',
  )
  secret?: string;
}

/** The query of the list of deliveries. */
export class ListDeliveriesDto {
  @ApiPropertyOptional({ enum: DELIVERY_STATUSES })
  @IsOptional()
  @IsIn(DELIVERY_STATUSES, { message: `status must be one of ${DELIVERY_STATUSES.join(', ')}` })
  status?: DeliveryStatus;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @Integer()
  @IsInt({ message: 'limit must be an integer' })
  @Min(1, { message: 'limit must be at least 1' })
  @Max(200, { message: 'limit must be at most 200' })
  limit: number = 50;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @IsOptional()
  @MaxLength(200, { message: 'after must be the nextCursor of a page' })
  after?: string;
}

/** The query that names which deliveries are sent again. */
export class ResendFailedDto {
  @ApiProperty({
    description: 'Deliveries whose last attempt failed at this time (RFC 3339) or later are sent again.',
    format: 'date-time',
    example: '2026-11-28T06:00:00Z',
  })
  @IsISO8601(
    { strict: true, strictSeparator: true },
    { message: 'failedSince must be an RFC 3339 time with its offset from UTC' },
  )
  @Matches(/T.*(Z|[+-]\d\d:\d\d)$/i, {
    message: 'failedSince must be an RFC 3339 time with its offset from UTC',
  })
  failedSince!: string;
}

/** The id of an endpoint in a path. */
@Injectable()
export class WebhookEndpointIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return webhookEndpointNotFound(id);
  }
}

/** The id of a delivery in a path. */
@Injectable()
export class WebhookDeliveryIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return webhookDeliveryNotFound(id);
  }
}

/** An endpoint as answers show it: never its secrets. */
export interface WebhookEndpoint {
  id: number;
  url: string;
  events: readonly string[];
  importProcessIds: readonly number[] | null;
  description: string;
  format: EndpointFormat;
  status: EndpointStatus;
  disabledReason: DisabledReason | null;
  disabledAt: string | null;
  /** While two secrets sign. */
  previousSecretUntil: string | null;
  failedDeliveries: number;
  createdBy: string;
  createdAt: string;
}

export interface WebhookEndpointWithSecret extends WebhookEndpoint {
  secret: string;
}

export interface WebhookDelivery {
  id: number;
  event: string;
  /** `null` for a test. */
  WORKFLOW_IMPORT_QUEUE_BATCH_ID: number | null;
  status: DeliveryStatus;
  attempts: number;
  resends: number;
  lastError: string | null;
  createdAt: string;
  nextAttemptAt: string | null;
  sentAt: string | null;
  /** The last 20 attempts, oldest first. */
  log: readonly LoggedAttempt[];
}

const endpoint = {
  id: INTEGER,
  url: TEXT,
  events: arrayOf(choice(...BATCH_EVENTS)),
  importProcessIds: says('null: all.', orNull(arrayOf(INTEGER))),
  description: TEXT,
  format: choice(...ENDPOINT_FORMATS),
  status: choice(...ENDPOINT_STATUSES),
  disabledReason: says(
    'gone: the receiver answered 410. null while active.',
    orNull(choice(...DISABLED_REASONS)),
  ),
  disabledAt: orNull(TIME),
  previousSecretUntil: says('Until then two secrets sign; null if only one does.', orNull(TIME)),
  failedDeliveries: INTEGER,
  createdBy: TEXT,
  createdAt: TIME,
};

const HEADERS: Schema = { type: 'object', additionalProperties: { type: 'string' } };

/** The answers of the routes for webhook endpoints. */
export const WEBHOOK_SCHEMAS: Readonly<Record<string, Schema>> = {
  WebhookEndpoint: objectOf<WebhookEndpoint>(endpoint),
  WebhookEndpointList: itemsOf(refTo('WebhookEndpoint')),
  WebhookEndpointWithSecret: objectOf<WebhookEndpointWithSecret>({
    ...endpoint,
    secret: says('Shown only in this answer.', TEXT),
  }),
  WebhookDelivery: objectOf<WebhookDelivery>({
    id: INTEGER,
    event: choice(...BATCH_EVENTS, TEST_EVENT),
    WORKFLOW_IMPORT_QUEUE_BATCH_ID: says('null for a test.', orNull(INTEGER)),
    status: choice(...DELIVERY_STATUSES),
    attempts: INTEGER,
    resends: INTEGER,
    lastError: orNull(TEXT),
    createdAt: TIME,
    nextAttemptAt: says('null if there will be no further attempt.', orNull(TIME)),
    sentAt: orNull(TIME),
    log: says(
      'The last 20 attempts, oldest first.',
      arrayOf(
        objectOf<LoggedAttempt>({
          attempt: INTEGER,
          at: TIME,
          durationMs: INTEGER,
          request: says(
            'null if nothing was sent.',
            orNull(objectOf<NonNullable<LoggedAttempt['request']>>({ headers: HEADERS, body: TEXT })),
          ),
          answer: says(
            'null if the receiver did not answer. body: its first 2 KiB.',
            orNull(
              objectOf<NonNullable<LoggedAttempt['answer']>>({
                status: INTEGER,
                headers: HEADERS,
                body: TEXT,
              }),
            ),
          ),
          error: orNull(TEXT),
        }),
      ),
    ),
  }),
  WebhookDeliveryPage: pageSchema(refTo('WebhookDelivery')),
  WebhookDeliveriesResent: objectOf<{ resent: number }>({
    resent: says('How many deliveries are sent again.', INTEGER),
  }),
};
