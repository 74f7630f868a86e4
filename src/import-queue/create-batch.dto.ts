import type { IncomingHttpHeaders } from 'node:http';
import { applyDecorators, Injectable, type PipeTransform } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, IntersectionType, PickType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  isEmail,
  IsIn,
  IsInt,
  IsISO8601,
  IsNumber,
  IsOptional,
  Length,
  Matches,
  Max,
  Min,
  ValidateBy,
  type ValidationArguments,
} from 'class-validator';
import { readIdempotencyKey } from '../auth/idempotency.js';
import { addressesIn, type BatchControl, PRIORITIES, type Priority } from '../batches/batch-state.js';
import { ImportProcessesService } from '../import-processes/import-processes.service.js';
import { ReadingDto } from '../import-processes/reading.dto.js';
import { invalidParameters } from '../platform/http/http.errors.js';
import { assertUtf8 } from '../platform/http/protocol.js';
import { AsSent, Integer, ParametersNamed, readReference } from '../platform/http/validation.js';
import { unsupportedContentEncoding, unsupportedMediaType } from './import-queue.errors.js';
import { CONTENT_ENCODINGS, isSupportedEncoding } from './intake/body-intake.js';

/** A time with its offset. */
const IsTime = (name: string): PropertyDecorator => {
  const message = `${name} must be an RFC 3339 time such as 2026-11-28T22:00:00Z`;
  return (target, property) => {
    IsISO8601({ strict: true, strictSeparator: true }, { message })(target, property);
    Matches(/^[1-9]\d{3}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/i, { message })(target, property);
  };
};

const MOST_RECORDS = 2_147_483_647;

/** How a batch is to be run, as parameters of CreateBatch, Uploads and Confirm. */
export class RunControlDto {
  @ApiPropertyOptional({
    description:
      'The share of the workers that the batch gets beside others. Default: that of the import process.',
    enum: PRIORITIES,
  })
  @IsOptional()
  @IsIn(PRIORITIES, { message: `priority must be one of ${PRIORITIES.join(', ')}` })
  priority?: Priority;

  @ApiPropertyOptional({ description: 'No record is processed earlier.', format: 'date-time' })
  @IsOptional()
  @IsTime('notBefore')
  notBefore?: string;

  @ApiPropertyOptional({
    description: 'Records that still wait then are canceled; the batch ends with `failureReason` `expired`.',
    format: 'date-time',
  })
  @IsOptional()
  @IsTime('expiresAt')
  expiresAt?: string;

  @ApiPropertyOptional({
    description:
      'The batch pauses (`error_budget`) when more records than this have failed or are invalid. Default: as the import process says.',
    type: 'integer',
    minimum: 0,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'maxFailed must be a whole number, 0 or more' })
  @Min(0, { message: 'maxFailed must be a whole number, 0 or more' })
  @Max(MOST_RECORDS, { message: `maxFailed must be at most ${MOST_RECORDS}` })
  maxFailed?: number;

  @ApiPropertyOptional({
    description: 'Like `maxFailed`, in percent of all records of the batch.',
    minimum: 0,
    maximum: 100,
    type: 'number',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? (/^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN) : value,
  )
  @IsNumber({}, { message: 'maxFailedPercent must be a number from 0 to 100' })
  @Min(0, { message: 'maxFailedPercent must be a number from 0 to 100' })
  @Max(100, { message: 'maxFailedPercent must be a number from 0 to 100' })
  maxFailedPercent?: number;

  @ApiPropertyOptional({
    description:
      'The batch pauses (`canary`) when this many of its first valid records have been processed, so that you can look at them before the others.',
    type: 'integer',
    minimum: 1,
  })
  @IsOptional()
  @Integer()
  @IsInt({ message: 'canary must be a whole number, 1 or more' })
  @Min(1, { message: 'canary must be a whole number, 1 or more' })
  @Max(MOST_RECORDS, { message: `canary must be at most ${MOST_RECORDS}` })
  canary?: number;

  @ApiPropertyOptional({
    description: 'Actions send neither mails nor webhooks for these records.',
    enum: ['true', 'false'],
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'muteBehaviors must be true or false' })
  muteBehaviors?: string;
}

/**
 * The wishes of a call; absent ones are undefined.
 * @throws DomainError 400 `invalid_parameter` if the batch would expire before it may start
 */
export function readControl(dto: RunControlDto): Partial<BatchControl> {
  const { priority, maxFailed, maxFailedPercent, canary, muteBehaviors } = dto;
  const notBefore = dto.notBefore === undefined ? undefined : new Date(dto.notBefore);
  const expiresAt = dto.expiresAt === undefined ? undefined : new Date(dto.expiresAt);
  if (notBefore !== undefined && expiresAt !== undefined) assertStartsInTime({ notBefore, expiresAt });
  return {
    ...{ priority, maxFailed, maxFailedPercent, canary, notBefore, expiresAt },
    muteBehaviors: muteBehaviors === undefined ? undefined : muteBehaviors === 'true',
  };
}

/** @throws DomainError 400 `invalid_parameter` if the batch would expire before it may start */
export function assertStartsInTime({
  notBefore,
  expiresAt,
}: Pick<BatchControl, 'notBefore' | 'expiresAt'>): void {
  if (notBefore === null || expiresAt === null || expiresAt > notBefore) return;
  const message = 'expiresAt must be later than notBefore';
  throw invalidParameters([{ parameter: 'expiresAt', code: 'invalid_parameter', message }]);
}

const CREATION_PATH = /^[A-Z0-9_]{1,15}$/;

/** Mail servers interpret quoted local parts differently, so such an address could reach a different recipient. */
const RECIPIENT = { require_tld: false, blacklisted_chars: '"' } as const;

const MOST_ADDRESSES = 5;

/** A plus sign in a query stands for a space, which is how most wrong addresses come about. */
function notAddresses({ property, value }: ValidationArguments): string {
  const addresses = addressesIn(String(value));
  if (addresses.length > MOST_ADDRESSES)
    return `${property} takes at most ${MOST_ADDRESSES} e-mail addresses, separated by commas; found ${addresses.length}`;
  const given = (addresses.find((address) => !isEmail(address, RECIPIENT)) ?? '').slice(0, 100);
  const hint = given.includes(' ') ? '; write + as %2B in a URL' : '';
  return `${property} must be one e-mail address, or up to ${MOST_ADDRESSES} separated by commas, not ${JSON.stringify(given)}${hint}`;
}

/** One to five addresses, separated by commas. */
function Addresses(description: string): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({
      description: `${description} Up to ${MOST_ADDRESSES} addresses, separated by commas.`,
      example: 'ada@example.org',
    }),
    IsOptional(),
    ValidateBy({
      name: 'areAddresses',
      validator: {
        validate: (list: unknown) => {
          const addresses = typeof list === 'string' ? addressesIn(list) : [];
          const areValid = addresses.every((address) => isEmail(address, RECIPIENT));
          return addresses.length > 0 && addresses.length <= MOST_ADDRESSES && areValid;
        },
        defaultMessage: (given) => (given === undefined ? '' : notAddresses(given)),
      },
    }),
  );
}

const MOST_PAIRS = 16;
const LONGEST_TEXT = 200;
const STORABLE = /^[^\p{Cc}\p{Cs}]*$/u;

/** `meta.<name>=<value>`: at most 16 pairs, names and values of at most 200 characters. */
function Metadata(): PropertyDecorator {
  const isText = (text: unknown) =>
    typeof text === 'string' && [...text].length <= LONGEST_TEXT && STORABLE.test(text);
  return applyDecorators(
    ParametersNamed('meta.'),
    AsSent(),
    IsOptional(),
    ValidateBy({
      name: 'isMetadata',
      validator: {
        validate: (pairs: unknown) =>
          Array.isArray(pairs) &&
          pairs.length <= MOST_PAIRS &&
          pairs.every(([name, value]: unknown[]) => name !== '' && isText(name) && isText(value)),
        defaultMessage: () =>
          `metadata are at most ${MOST_PAIRS} parameters meta.<name>, with names and values of at most ${LONGEST_TEXT} characters and without control characters`,
      },
    }),
  );
}

/** What the caller stated about the batch, to be stored with it; `null` for nothing. */
export function metadataOf({ metadata }: { metadata?: [string, string][] }): Record<string, string> | null {
  return metadata === undefined ? null : Object.fromEntries(metadata);
}

/** The query of `POST /API/WorkflowImportQueue/CreateBatch`; the body is the records. */
export class CreateBatchDto extends RunControlDto {
  @ApiProperty({
    description: 'Shown in Recent Imports. It need not be the name of a file.',
    minLength: 1,
    maxLength: 255,
    example: 'members.jsonl',
  })
  @Length(1, 255, { message: 'fileName must have 1 to 255 characters' })
  // Characters that reverse the direction of text can disguise a file name such as "invoice.exe".
  @Matches(/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]*$/u, {
    message: 'fileName must not contain control characters',
  })
  fileName!: string;

  @ApiProperty({
    description: 'The import process (file type) that the records are for: its id or its key.',
    type: 'string',
    example: '1',
  })
  @ImportProcessReference()
  importProcessId!: number;

  @ApiPropertyOptional({
    description:
      'Your name for the source of the batch. Stored as `IMPORT_QUEUE_API:` and this value; batches can be searched by it.',
    pattern: CREATION_PATH.source,
    example: 'LH',
  })
  @IsOptional()
  @Matches(CREATION_PATH, { message: 'creationPath must be 1 to 15 of the characters A-Z, 0-9 and _' })
  creationPath?: string;

  @Addresses('Mailed if the batch ends and every record succeeded.')
  sendSuccessEmailTo?: string;

  @Addresses('Mailed if a record failed or was invalid, or the batch failed or paused.')
  sendFailureEmailTo?: string;

  @ApiPropertyOptional({
    description:
      'A dry run: the batch ends `validated`. It has a summary and a preview, as an upload has, for 24 hours; no record is processed and no mail is sent.',
    enum: ['true', 'false'],
    default: 'false',
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'validate must be true or false' })
  validate?: 'true' | 'false';

  @Metadata()
  metadata?: [string, string][];
}

/** Media types that a JSON Lines body may have; the default of curl is among them. */
const ACCEPTED_MEDIA_TYPES = [
  'application/jsonl',
  'application/x-ndjson',
  'application/ndjson',
  'application/json',
  'text/plain',
  'application/octet-stream',
  'application/x-www-form-urlencoded',
] as const;
const ACCEPTED: ReadonlySet<string> = new Set(ACCEPTED_MEDIA_TYPES);

/** The properties of a CreateBatch body according to its headers. */
export interface BodyHeaders {
  /** Lower case; `identity` if there is none. */
  encoding: string;
  idempotencyKey: string | null;
  /** See `declaredBytes`. */
  declaredBytes: number;
}

/** @throws DomainError 415 for an unsupported media type, charset or encoding, 400 for an invalid Idempotency-Key */
export function readBodyHeaders(headers: IncomingHttpHeaders): BodyHeaders {
  const contentType = headers['content-type'] ?? '';
  const mediaType = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (mediaType !== '' && !ACCEPTED.has(mediaType)) {
    const accepted = ACCEPTED_MEDIA_TYPES.join(', ');
    const advice = `Send JSON Lines as application/jsonl (or one of: ${accepted}).`;
    throw unsupportedMediaType(contentType, advice, accepted);
  }

  assertUtf8(contentType, 'the records');

  const encoding = encodingOf(headers);
  if (!isSupportedEncoding(encoding)) {
    const accepted = CONTENT_ENCODINGS.join(', ');
    const advice = `Send the body uncompressed, or encoded as one of: ${accepted}.`;
    throw unsupportedContentEncoding(encoding, advice, accepted);
  }

  return {
    encoding,
    idempotencyKey: readIdempotencyKey(headers),
    declaredBytes: declaredBytes(headers),
  };
}

/**
 * The length of the body according to its headers, so that a body that is too long can be refused before it arrives. 0
 * if the length is unknown: the body is sent in chunks, or it is encoded and the limits count decoded bytes.
 */
export function declaredBytes(headers: IncomingHttpHeaders): number {
  return encodingOf(headers) === 'identity' ? Number(headers['content-length'] ?? 0) : 0;
}

function encodingOf(headers: IncomingHttpHeaders): string {
  return (headers['content-encoding'] ?? '').trim().toLowerCase() || 'identity';
}

/** `?1` and `?0` as structured fields write them; other values count as absent. */
export function uploadComplete(headers: IncomingHttpHeaders): boolean | null {
  const value = String(headers['upload-complete'] ?? '').trim();
  return value === '?1' ? true : value === '?0' ? false : null;
}

/**
 * The id or the key of an import process as a parameter. `ImportProcessKeyPipe` turns the key into the id, so that the
 * handler sees a number.
 */
export function ImportProcessReference(): PropertyDecorator {
  const message = 'importProcessId must be the id or the key of an import process';
  return applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? (readReference(value) ?? Number.NaN) : value,
    ),
    ValidateBy({
      name: 'isImportProcessReference',
      validator: {
        validate: (value: unknown) => typeof value === 'string' || Number.isInteger(value),
        defaultMessage: () => message,
      },
    }),
  );
}

/** For queries with an `ImportProcessReference`. @throws DomainError 404 `import_process_not_found` */
@Injectable()
export class ImportProcessKeyPipe implements PipeTransform<object, Promise<object>> {
  constructor(private readonly importProcesses: ImportProcessesService) {}

  async transform(query: { importProcessId?: number | string }): Promise<object> {
    const { importProcessId } = query;
    if (typeof importProcessId !== 'string') return query;
    return Object.assign(query, { importProcessId: await this.importProcesses.idOf(importProcessId) });
  }
}

/** The query of `POST /API/WorkflowImportQueue/Uploads`; the file is the multipart field `file`. */
export class UploadDto extends IntersectionType(
  PickType(CreateBatchDto, [
    'fileName',
    'importProcessId',
    'creationPath',
    'sendSuccessEmailTo',
    'sendFailureEmailTo',
  ]),
  ReadingDto,
  RunControlDto,
) {
  @Metadata()
  metadata?: [string, string][];
}
