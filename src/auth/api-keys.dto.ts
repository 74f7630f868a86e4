import { Injectable } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsISO8601, IsOptional, Length, Matches } from 'class-validator';
import {
  arrayOf,
  choice,
  INTEGER,
  itemsOf,
  objectOf,
  orNull,
  refTo,
  says,
  type Schema,
  TEXT,
  TIME,
} from '../platform/http/answer-schemas.js';
import { PathIdPipe } from '../platform/http/validation.js';
import { apiKeyNotFound } from './auth.errors.js';
import type { ApiKeyEntity } from './entities.js';
import { IsImportProcessLimit, IsSetOf } from './import-process-limit.js';
import { type Permission, PERMISSIONS } from './principal.js';

/** The body of `POST /API/ApiKeys`. */
export class CreateApiKeyDto {
  @ApiProperty({
    description: 'Tells people who uses the key.',
    minLength: 1,
    maxLength: 100,
    example: 'Nightly CRM sync',
  })
  @Length(1, 100, { message: 'name must have 1 to 100 characters' })
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: 'name must not contain control characters' })
  name!: string;

  @ApiProperty({ enum: PERMISSIONS, isArray: true, example: ['BeginWorkflowImportProcess', 'ViewImports'] })
  @IsSetOf({
    most: PERMISSIONS.length,
    items: `some of ${PERMISSIONS.join(', ')}`,
    allows: (item) => PERMISSIONS.some((permission) => permission === item),
  })
  permissions!: Permission[];

  @ApiPropertyOptional({
    description:
      'The only import processes the key may use; absent or null: all. Not possible with Configure or Administer.',
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    nullable: true,
  })
  @IsOptional()
  @IsImportProcessLimit()
  importProcessIds?: number[] | null;

  @ApiPropertyOptional({
    description:
      'Whether a key with BeginWorkflowImportProcess also gets ReadOwnImports. false: it reads nothing.',
    default: true,
  })
  @IsOptional()
  @IsBoolean({ message: 'readOwnImports must be true or false' })
  readOwnImports?: boolean;

  @ApiPropertyOptional({
    description: 'When the key stops working (RFC 3339); absent or null: never.',
    format: 'date-time',
    nullable: true,
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true }, { message: 'expiresAt must be an RFC 3339 time' })
  @Matches(/T.*(Z|[+-]\d\d:\d\d)$/i, { message: 'expiresAt must be a time with its offset from UTC' })
  expiresAt?: string | null;
}

/** The id of an API key in a path. */
@Injectable()
export class ApiKeyIdPipe extends PathIdPipe {
  protected notFound(id: string): Error {
    return apiKeyNotFound(id);
  }
}

/** An API key as answers show it: never the key itself or its hash. */
export interface ApiKeyResource {
  id: number;
  name: string;
  /** The first characters of the key. */
  hint: string;
  permissions: string[];
  importProcessIds: number[] | null;
  createdBy: string;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
}

export interface CreatedApiKey extends ApiKeyResource {
  /** Shown only in this answer, because only its hash is stored. */
  key: string;
}

export function apiKeyResource(entity: ApiKeyEntity): ApiKeyResource {
  return {
    id: entity.id,
    name: entity.name,
    hint: entity.keyHint,
    permissions: entity.permissions,
    importProcessIds: entity.importProcessIds,
    createdBy: entity.createdBy,
    createdAt: entity.createdAt.toISOString(),
    expiresAt: entity.expiresAt?.toISOString() ?? null,
    lastUsedAt: entity.lastUsedAt?.toISOString() ?? null,
    revokedAt: entity.revokedAt?.toISOString() ?? null,
  };
}

const apiKey = {
  id: INTEGER,
  name: TEXT,
  hint: says('The first characters of the key.', TEXT),
  permissions: arrayOf(choice(...PERMISSIONS)),
  importProcessIds: says('null: all.', orNull(arrayOf(INTEGER))),
  createdBy: TEXT,
  createdAt: TIME,
  expiresAt: orNull(TIME),
  lastUsedAt: orNull(TIME),
  revokedAt: orNull(TIME),
};

/** The answers of the routes for API keys. */
export const API_KEY_SCHEMAS: Readonly<Record<string, Schema>> = {
  ApiKey: objectOf<ApiKeyResource>(apiKey),
  ApiKeyList: itemsOf(refTo('ApiKey')),
  CreatedApiKey: objectOf<CreatedApiKey>({ ...apiKey, key: says('Shown only in this answer.', TEXT) }),
};
