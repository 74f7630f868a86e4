import type { IncomingHttpHeaders } from 'node:http';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsEmail,
  IsIn,
  IsOptional,
  Length,
  Matches,
  ValidateBy,
  type ValidationArguments,
} from 'class-validator';
import { readIdempotencyKey } from '../auth/idempotency.js';
import { AsSent, ParametersNamed } from '../platform/http/validation.js';
import { assertUtf8 } from '../platform/http/protocol.js';
import { ImportProcessReference } from '../import-processes/import-processes.dto.js';
import { unsupportedContentEncoding, unsupportedMediaType } from './import-queue.errors.js';
import { CONTENT_ENCODINGS, isSupportedEncoding } from './intake/body-intake.js';
import { RunControlDto } from './run-control.dto.js';

const CREATION_PATH = /^[A-Z0-9_]{1,15}$/;

/** Mail servers interpret quoted local parts differently, so such an address could reach a different recipient. */
const RECIPIENT = { require_tld: false, blacklisted_chars: '"' } as const;

/** A plus sign in a query stands for a space, which is how most wrong addresses come about. */
function notAnAddress({ property, value }: ValidationArguments): string {
  const given = String(value).slice(0, 100);
  const hint = given.includes(' ') ? '; write + as %2B in a URL' : '';
  return `${property} must be one e-mail address, not ${JSON.stringify(given)}${hint}`;
}

const MOST_PAIRS = 16;
const LONGEST_TEXT = 200;
const STORABLE = /^[^\p{Cc}\p{Cs}]*$/u;

/** `meta.<name>=<value>`: at most 16 pairs, names and values of at most 200 characters. */
export function Metadata(): PropertyDecorator {
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

  @ApiPropertyOptional({
    description: 'Receives a mail if the batch ends and every record succeeded.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail(RECIPIENT, { message: notAnAddress })
  sendSuccessEmailTo?: string;

  @ApiPropertyOptional({
    description: 'Receives a mail if a record failed or was invalid, or the batch failed.',
    format: 'email',
  })
  @IsOptional()
  @IsEmail(RECIPIENT, { message: notAnAddress })
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
